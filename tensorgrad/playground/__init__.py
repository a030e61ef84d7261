"""The playground: a local web page that simplifies, proves, draws, prices and compiles what one types.

Its libraries are the extra `playground`; they are imported when a server is made, not before.
"""

from tensorgrad.playground.question import EXAMPLES, Question

__all__ = ["EXAMPLES", "Question"]
