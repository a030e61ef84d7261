"""Random well-formed expressions in the notation, with every fact: the material of the soundness and derivation tests."""

from __future__ import annotations

from random import Random

LET = """A B : n n ; S R : n n symmetric ; K : n n skew ; D : n n diagonal ; Q : n n orthogonal ; U : n n upper
L : n n lower ; P : n n idempotent ; H : n n psd ; M : n n pd ; V : n n invertible ; X : n m ; Y : m n
W : n m positive ; O : n m orthonormal ; x y : n ; z : n positive ; u v : m ; p : n simplex ; o : n onehot
q : n nonzero ; w : n nonnegative ; t : n unit ; c d : scalar ; a : scalar positive ; b : scalar nonzero
k : scalar integer ; T : n n n ; G : n n n symmetric(0,1) ; J : n n n antisymmetric(0,1,2) ; f g : function"""
LET = LET.replace("\n", " ; ")

LEAVES = {
    "": "c d a b k 2 n m 1/2 -1 0".split(),
    "n": [*"x y z p o q w t".split(), "diag(A)", "ones[n]", "zeros[n]", "e[0, n]"],
    "m": ["u", "v", "ones[m]"],
    "nn": [*"A B S R K D Q U L P H M V".split(), "I[n]", "ones[n, n]"],
    "nm": ["X", "W", "O", "Y.T", "ones[n, m]"],
    "mn": ["Y", "X.T", "O.T"],
    "mm": ["Y @ X", "I[m]", "X.T @ X", "O.T @ O"],
    "nnn": ["T", "G", "J"],
}

EVERYWHERE = """({0}) + ({0}) | ({0}) - ({0}) | ({0}) * ({0}) | ({:}) * ({0}) | ({0}) / ({0}) | ({0}) / ({:}) | F({0}) | F({0})
F({0}) | ({0}) ** (N)"""

FORMS = {
    "": """({n}) @ ({n}) | tr({nn}) | det({nn}) | logdet({nn}) | sum({nn}) | norm2({nn}) | sum({n}) | mean({n}) | norm({n})
logsumexp({n}) | max({n}) | ({n}) @ ({nn}) @ ({n}) | sum({nnn}) | tr({mm}) | dot({nm}, {nm})
sum[i, j](({nn})[i, j] * ({n})[i] * ({nn})[i, j]) | sum[i, j, k](({nnn})[i, j, k] * ({n})[i] * ({n})[j])
sum[i, j](({nnn})[i, j, i] * ({nn})[j, j])""",
    "n": """({nn}) @ ({n}) | ({n}) @ ({nn}) | diag({nn}) | sum({nn}, 0) | sum({nn}, 1) | logsumexp({nn}) | max({nn})
softmax({n}) | ({nm}) @ ({m}) | ten[i](sum[j](({nnn})[i, j, j] * ({n})[j])) | ten[i](({nnn})[i, i, i] * ({n})[i])
einsum('ij,ij,i->i', {nn}, {nn}, {n}) | grad({:}, x) | grad({:}, z)""",
    "m": "({mm}) @ ({m}) | diag({mm}) | softmax({m}) | ({mn}) @ ({n})",
    "nn": """({nn}) @ ({nn}) | ({nm}) @ ({mn}) | ({nn}).T | outer({n}, {n}) | inv({nn}) | inv({nn}) | adj({nn}) | pinv({nn})
expm({nn}) | diag({n}) | diag(diag({nn})) | matpow({nn}, 2) | matpow({nn}, -1) | ({nnn}) @ ({n}) | softmax({nn})
einsum('iij->ij', {nnn}) | unvec(kron({nn}, {nn}) @ vec({nn}), n, n) | grad({n}, x) | ten[i, j](({n})[i] + ({n})[j])
ten[i, j](({nn})[i, j] * delta[i, j])""",
    "nm": "({nn}) @ ({nm}) | ({nm}) @ ({mm}) | ({mn}).T | outer({n}, {m}) | pinv({mn}) | softmax({nm})",
    "mn": "({mn}) @ ({nn}) | ({mm}) @ ({mn}) | ({nm}).T | outer({m}, {n})",
    "mm": "({mn}) @ ({nm}) | ({mm}).T | outer({m}, {m}) | inv({mm}) | diag({m})",
    "nnn": """({nnn}) @ ({nn}) | outer({nn}, {n}) | power({n}, 3) | ten[j, i, k](({nnn})[i, j, k])
ten[i, j, k](delta[i, j, k] * ({n})[i]) | ten[i, j, k](({nn})[i, j] * ({nn})[j, k])""",
}

FUNCTIONS = "exp log sqrt sin cos tanh abs sign relu step sigmoid softplus erf f g sinh cosh".split()
POWERS = "2 3 -1 1/2 -1/2 7 8 n c 1/3 -2 3/2 0 k -n".split()


def expression(seed: int, depth: int = 3) -> str:
    """The text of an expression over the names of `LET`, always the same for a seed.

    >>> expression(1) == expression(1)
    True
    """
    rng = Random(seed)
    shape = rng.choice(["", "n", "n", "nn", "nn", "nm", "nnn", "m"])
    return _expression(rng, shape, depth)


def _expression(rng: Random, shape: str, depth: int) -> str:
    if depth <= 0 or rng.random() < 0.1:
        return rng.choice(LEAVES[shape])
    text = rng.choice(_forms(EVERYWHERE if rng.random() < 0.5 else FORMS[shape]))
    out: list[str] = []
    for part in text.replace("F(", f"{rng.choice(FUNCTIONS)}(").replace("(N)", f"({rng.choice(POWERS)})").split("{"):
        kind, brace, rest = part.partition("}")
        inner = {"0": shape, ":": ""}.get(kind, kind)
        out.append(_expression(rng, inner, depth - 1) + rest if brace else part)
    return "".join(out)


def _forms(text: str) -> list[str]:
    return [form.strip() for line in text.splitlines() for form in line.split("|")]
