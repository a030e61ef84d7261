"""The errors of the notation, in full: the place, what was found, what was expected, the remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tensorgrad.errors import FactError, NotationError, TensorgradError
from tensorgrad.notation import BadLine, parse, parse_claim, parse_facts, parse_file, parse_scope
from tensorgrad.sizes import size
from tensorgrad.tensor import Variable

LET = "A : n m ; x : k ; S : n n ; v : n ; c : scalar ; f : function ; F : function(n)"


def message(call: Callable[[], object]) -> str:
    with pytest.raises(TensorgradError) as caught:
        call()
    return str(caught.value)


EXPRESSIONS: dict[str, str] = {
    "A @ x": (
        "cannot contract A @ x: A is n m, x is k: the last axis of A has size m, the first of x has "
        "size k (A : n m ; x : k); transpose one of them or change a declaration\n"
        "  at column 1\n"
        "  A @ x\n"
        "  ^^^^^"
    ),
    "A.T @ x": (
        "cannot contract A.T @ x: A.T is m n, x is k: the last axis of A.T has size n, the first of x "
        "has size k (A : n m ; x : k); transpose one of them or change a declaration\n"
        "  at column 1\n"
        "  A.T @ x\n"
        "  ^^^^^^^"
    ),
    "A @ v": (
        "cannot contract A @ v: A is n m, v is n: the last axis of A has size m, the first of v has "
        "size n (A : n m ; v : n); did you mean A.T @ v?\n"
        "  at column 1\n"
        "  A @ v\n"
        "  ^^^^^"
    ),
    "v @ A.T": (
        "cannot contract v @ A.T: v is n, A.T is m n: the last axis of v has size n, the first of A.T "
        "has size m (v : n ; A : n m); did you mean v @ A?\n"
        "  at column 1\n"
        "  v @ A.T\n"
        "  ^^^^^^^"
    ),
    "A @ y": (
        "unknown name y: declared are A, x, S, v, c, f, F, k, m, n; declare it, for example y : n m\n"
        "  at column 5\n"
        "  A @ y\n"
        "      ^"
    ),
    "Ax @ v": (
        "unknown name Ax (did you mean x or A?): declared are A, x, S, v, c, f, F, k, m, n; declare it, "
        "for example Ax : n m\n"
        "  at column 1\n"
        "  Ax @ v\n"
        "  ^^"
    ),
    "expp(v)": (
        "unknown function expp (did you mean exp or expm?); an unknown one is declared: let expp : "
        "function\n"
        "  at column 1\n"
        "  expp(v)\n"
        "  ^^^^"
    ),
    "foo(A)": ("unknown function foo; an unknown one is declared: let foo : function\n  at column 1\n  foo(A)\n  ^^^"),
    "v(v)": ("v is not a function (v : n): multiply with * or @, index with [ ]\n  at column 1\n  v(v)\n  ^"),
    "det(A)": ("det needs a square matrix, but A is n m (A : n m)\n  at column 5\n  det(A)\n      ^"),
    "inv(A @ S)": (
        "cannot contract A @ S: A is n m, S is n n: the last axis of A has size m, the first of S has "
        "size n (A : n m ; S : n n); did you mean A.T @ S?\n"
        "  at column 5\n"
        "  inv(A @ S)\n"
        "      ^^^^^"
    ),
    "tr(v)": ("tr needs a matrix (two axes), but v has order 1: n (v : n)\n  at column 4\n  tr(v)\n     ^"),
    "A + S": ("cannot add A and S: A is n m, S is n n (A : n m ; S : n n)\n  at column 1\n  A + S\n  ^^^^^"),
    "A * v": (
        "cannot multiply A and v: A is n m, v is n (A : n m ; v : n); to broadcast, name the axes: A[i, "
        "j] + x[j]\n"
        "  at column 1\n"
        "  A * v\n"
        "  ^^^^^"
    ),
    "A[i]": ("A has order 2 (n m), but 1 index was given (A : n m)\n  at column 1\n  A[i]\n  ^^^^"),
    "A[i, j] + S": (
        "cannot add A[i, j] and S: A[i, j] has named edges (i, j), S has positions (n n): name its "
        "axes, S[i, j]\n"
        "  at column 1\n"
        "  A[i, j] + S\n"
        "  ^^^^^^^^^^^"
    ),
    "A[i, j] + v[j]": (
        "the index j has size n in v[j] and m in A[i, j] (A : n m ; v : n): use two letters or change a "
        "declaration\n"
        "  at column 11\n"
        "  A[i, j] + v[j]\n"
        "            ^^^^"
    ),
    "A[i, i]": (
        "the repeated index i stands for axes of sizes n and m of A (A : n m): a diagonal needs equal "
        "sizes\n"
        "  at column 1\n"
        "  A[i, i]\n"
        "  ^^^^^^^"
    ),
    "A[i, j][k, l]": (
        "A[i, j] already has named edges (i, j): it cannot be subscripted again\n"
        "  at column 1\n"
        "  A[i, j][k, l]\n"
        "  ^^^^^^^^^^^^^"
    ),
    "A[0, j]": (
        "an index is a name such as i, found 0; for a fixed position contract with the unit vector e[0, "
        "n]\n"
        "  at column 3\n"
        "  A[0, j]\n"
        "    ^"
    ),
    "sum[k](A[i, j])": (
        "sum[k]: k is not a free index of A[i, j]; free are i, j\n  at column 5\n  sum[k](A[i, j])\n      ^"
    ),
    "sum[i](A)": (
        "sum[...] acts along named edges, but A has positions (n m): name its axes, or leave out the "
        "brackets (A : n m)\n"
        "  at column 1\n"
        "  sum[i](A)\n"
        "  ^^^^^^^^^"
    ),
    "softmax(A[i, j])": (
        "softmax without brackets acts on the last axis, but A[i, j] has named edges (i, j): write "
        "softmax[j](...)\n"
        "  at column 1\n"
        "  softmax(A[i, j])\n"
        "  ^^^^^^^^^^^^^^^^"
    ),
    "mat[i](A[i, j])": (
        "mat[...] must name two free indices of its argument, which are i, j\n"
        "  at column 1\n"
        "  mat[i](A[i, j])\n"
        "  ^^^^^^^^^^^^^^^"
    ),
    "inv(A[i, j])": (
        "inv needs an expression whose axes have positions, but A[i, j] has named edges (i, j); order "
        "them with ten[i, j](...)\n"
        "  at column 5\n"
        "  inv(A[i, j])\n"
        "      ^^^^^^^"
    ),
    "S[i, j] @ v": (
        "@ contracts by position, but S[i, j] has named edges (i, j): write sum[...](... * ...), or "
        "order them with ten[i, j](...)\n"
        "  at column 1\n"
        "  S[i, j] @ v\n"
        "  ^^^^^^^"
    ),
    "c @ A": (
        "@ needs an axis on both sides, but c is a scalar: multiply with *, as in c * A (c : scalar ; A "
        ": n m)\n"
        "  at column 1\n"
        "  c @ A\n"
        "  ^"
    ),
    "kron(A, v)": (
        "kron needs two vectors or two matrices, but A has order 2 (n m) and v has order 1 (n) (A : n m "
        "; v : n): write a column as outer(v, ones[1]), a row as outer(ones[1], v)\n"
        "  at column 1\n"
        "  kron(A, v)\n"
        "  ^^^^^^^^^^"
    ),
    "unvec(v, n, n)": (
        "unvec(v, n, n) needs a vector of size n**2, but it has size n (v : n)\n"
        "  at column 1\n"
        "  unvec(v, n, n)\n"
        "  ^^^^^^^^^^^^^^"
    ),
    "sum(A, 2)": (
        "A has no axis 2: its order is 2 (n m), axes count from 0 (A : n m)\n  at column 8\n  sum(A, 2)\n         ^"
    ),
    "delta[i, j]": (
        "the size of the index i is determined by nothing: say it, i:n\n  at column 7\n  delta[i, j]\n        ^"
    ),
    "flat[p, i, j] * A[i, j] * S[p, p]": (
        "the fused index has size n, its parts give n * m = m*n\n"
        "  at column 1\n"
        "  flat[p, i, j] * A[i, j] * S[p, p]\n"
        "  ^^^^^^^^^^^^^"
    ),
    "I[A]": ("A is not a size: it is declared as A : n m\n  at column 3\n  I[A]\n    ^"),
    "zeros[0]": ("the size 0 is not a positive integer: sizes start at 1\n  at column 7\n  zeros[0]\n        ^"),
    "e[5, 3]": ("position 5 is outside a vector of size 3: positions are 0 to 2\n  at column 1\n  e[5, 3]\n  ^^^^^^^"),
    "E[y](v)": ("expected the name of a declared variable, found y\n  at column 3\n  E[y](v)\n    ^"),
    "E[x]": ("E[x] is a function: apply it, E[x](...)\n  at column 1\n  E[x]\n  ^^^^"),
    "grad(A, B)": ("grad differentiates by a declared variable, found B\n  at column 9\n  grad(A, B)\n          ^"),
    "grad(v[i], v)": (
        "v[i] has named edges (i), so the axes of v need names too: grad(..., v[k])\n"
        "  at column 1\n"
        "  grad(v[i], v)\n"
        "  ^^^^^^^^^^^^^"
    ),
    "grad(v, v[i])": (
        "v has positions (n): name its axes, or write grad(..., v)\n  at column 1\n  grad(v, v[i])\n  ^^^^^^^^^^^^^"
    ),
    "grad(v[i], v[i])": (
        "the index i is already free in v[i]: use another letter\n  at column 14\n  grad(v[i], v[i])\n               ^"
    ),
    "F(x)": ("F takes a vector of size n (F : function(n)), but x has size k (x : k)\n  at column 1\n  F(x)\n  ^^^^"),
    "d(det)(S)": (
        "d( ) takes an elementwise function; write grad(...) to differentiate det\n  at column 3\n  d(det)(S)\n    ^^^"
    ),
    "einsum('ij,j', A, v)": (
        "the letter j of einsum has size m and, in v, n (A : n m ; v : n)\n"
        "  at column 19\n"
        "  einsum('ij,j', A, v)\n"
        "                    ^"
    ),
    "exp(v, v)": ("exp takes one argument, but 2 were given\n  at column 1\n  exp(v, v)\n  ^^^^^^^^^"),
    "grad(v)": ("grad takes two arguments, but 1 was given\n  at column 1\n  grad(v)\n  ^^^^^^^"),
    "S'": ("this quote is never closed on its line; a transpose is written A.T\n  at column 2\n  S'\n   ^"),
    "A : n": (
        ": is not allowed here: expected an operator or the end of the expression\n  at column 3\n  A : n\n    ^"
    ),
    "": ("the expression is empty\n  at column 1\n  \n  ^"),
    "A @": ("the expression ends where a name, a number or ( was expected\n  at column 4\n  A @\n     ^"),
    "(A + S": ("this ( is never closed\n  at column 1\n  (A + S\n  ^"),
    "A)": (") closes nothing\n  at column 2\n  A)\n   ^"),
    "A[]": ("nothing stands inside [ ]: expected a name, a number or an expression\n  at column 3\n  A[]\n    ^"),
    "f()": ("nothing stands inside ( ): expected a name, a number or an expression\n  at column 3\n  f()\n    ^"),
    "A n": ("expected an operator before n\n  at column 3\n  A n\n    ^"),
    "5x": ("a number must not run into a name; put an operator between them\n  at column 1\n  5x\n  ^^"),
    "2 ^ 3": ("the character '^' is not part of the notation; a power is written **\n  at column 3\n  2 ^ 3\n    ^"),
    "\x00\x01": ("the character '\\x00' is not part of the notation\n  at column 1\n  ��\n  ^"),
    "x == x": ("== is not part of an expression: equality is written =\n  at column 3\n  x == x\n    ^^"),
    "A = A": ("this is a claim, not an expression: prove it, or give one side\n  at column 3\n  A = A\n    ^"),
    "A.real": ("only .T (the transpose) may follow a dot\n  at column 3\n  A.real\n    ^^^^"),
    "__import__('os')": (
        "unknown function __import__; an unknown one is declared: let __import__ : function\n"
        "  at column 1\n"
        "  __import__('os')\n"
        "  ^^^^^^^^^^"
    ),
    "det": ("det is a function of the notation: apply it, det(...)\n  at column 1\n  det\n  ^^^"),
    "I": ("I is not declared; the built-in I is written I[n]\n  at column 1\n  I\n  ^"),
    "1 / 0": ("division by zero\n  at column 5\n  1 / 0\n      ^"),
    "'text'": ("a text in quotes is only the first argument of einsum\n  at column 1\n  'text'\n  ^^^^^^"),
    "series(p, 0, n, S)": (
        "not supported yet: series to n: its bounds are whole numbers, for its terms are written out; "
        "with a size as the bound sum over an index, sum[i](...)"
    ),
    "series(c, 0, 2, c * S)": (
        "series counts with a name of its own, but c is declared: series(k, 0, 3, matpow(A, k))\n"
        "  at column 8\n"
        "  series(c, 0, 2, c * S)\n"
        "         ^"
    ),
    "series(p, 3, 2, S)": (
        "series from 3 to 2 has 0 terms; between 1 and 64 are read\n"
        "  at column 1\n"
        "  series(p, 3, 2, S)\n"
        "  ^^^^^^^^^^^^^^^^^^"
    ),
    "eigvals(A)": ("eigvals needs a square matrix, but A is n m (A : n m)\n  at column 9\n  eigvals(A)\n          ^"),
    "matpow(S, A)": (
        "the exponent of matpow needs a scalar, but A has order 2: n m (A : n m)\n"
        "  at column 11\n"
        "  matpow(S, A)\n"
        "            ^"
    ),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expression(text: str) -> None:
    assert message(lambda: parse(text, LET)) == EXPRESSIONS[text]


CLAIMS: dict[str, str] = {
    "A = S": (
        "the two sides differ in size: axis 1 has size m on the left and n on the right\n"
        "  left   A is n m\n"
        "  right  S is n n\n"
        "  at column 5\n"
        "  A = S\n"
        "      ^"
    ),
    "A = v": (
        "the two sides have different orders, 2 and 1\n"
        "  left   A is n m\n"
        "  right  v is n\n"
        "  at column 5\n"
        "  A = v\n"
        "      ^"
    ),
    "A[i, j] = S[i, j]": (
        "the index j has size m on the left and n on the right\n"
        "  left   A[i, j] is i : n, j : m\n"
        "  right  S[i, j] is i : n, j : n\n"
        "  at column 11\n"
        "  A[i, j] = S[i, j]\n"
        "            ^^^^^^^"
    ),
    "A[i, j] = A[i, k]": (
        "the two sides have different edges\n"
        "  left   A[i, j] is i : n, j : m\n"
        "  right  A[i, k] is i : n, k : m\n"
        "  at column 11\n"
        "  A[i, j] = A[i, k]\n"
        "            ^^^^^^^"
    ),
    "A = A[i, j]": (
        "one side has named edges (i, j), the other positions: index it, (...)[i, j]\n"
        "  left   A is n m\n"
        "  right  A[i, j] is i : n, j : m\n"
        "  at column 5\n"
        "  A = A[i, j]\n"
        "      ^^^^^^^"
    ),
    "A = ": ("the right side is empty\n  at column 4\n  A = \n     ^"),
    "= A": ("the left side is empty\n  at column 1\n  = A\n  ^"),
    "A": (
        "a claim needs =, => or != between its two sides, or is a fact, as in symmetric(A @ A.T)\n"
        "  at column 1\n"
        "  A\n"
        "  ^"
    ),
    "A = A = A": ("a second relation: a claim has one =, => or !=\n  at column 7\n  A = A = A\n        ^"),
    "A = A if": ("expected a fact, an equation or a law, as in invertible(A)\n  at column 8\n  A = A if\n         ^"),
    "A = A if invertible(A)": (
        "A : n m cannot be invertible: only a square matrix (n n) can\n"
        "  at column 10\n"
        "  A = A if invertible(A)\n"
        "           ^^^^^^^^^^^^^"
    ),
    "S = S if invertibel(S)": (
        "expected a fact such as invertible(A), an equation or a law x ~ N(mu, Sigma) (did you mean "
        "invertible?)\n"
        "  at column 10\n"
        "  S = S if invertibel(S)\n"
        "           ^^^^^^^^^^^^^"
    ),
    "S = S if v ~ N(v)": (
        "N has two parameters, as in N(mu, Sigma), not 1\n  at column 14\n  S = S if v ~ N(v)\n               ^^^^"
    ),
    "S = S if q ~ N(v, S)": (
        "unknown name q: a law is of a declared variable\n  at column 10\n  S = S if q ~ N(v, S)\n           ^"
    ),
    "S = S if v ~ N(zeros[n], A)": (
        "N(...) of v : n needs a parameter of dims n n here, found n m\n"
        "  at column 26\n"
        "  S = S if v ~ N(zeros[n], A)\n"
        "                           ^"
    ),
    "S = S if v ~ N(2 * v, S)": (
        "the law of v cannot depend on v\n  at column 16\n  S = S if v ~ N(2 * v, S)\n                 ^^^^^"
    ),
    "S = S if v ~ law(zeros[n], S), v ~ N(zeros[n], S)": (
        "a second law of v: a random variable has one\n"
        "  at column 32\n"
        "  S = S if v ~ law(zeros[n], S), v ~ N(zeros[n], S)\n"
        "                                 ^^^^^^^^^^^^^^^^^^"
    ),
    "S = S if invertible(S": (
        "this ( is never closed\n  at column 20\n  S = S if invertible(S\n                     ^"
    ),
    "S = S if invertible S": (
        "invertible is stated of an expression: write invertible(A)\n"
        "  at column 10\n"
        "  S = S if invertible S\n"
        "           ^^^^^^^^^^^^"
    ),
    "S = S if pd(S) invertible(S)": (
        "facts, equations and laws are separated by commas\n"
        "  at column 16\n"
        "  S = S if pd(S) invertible(S)\n"
        "                 ^^^^^^^^^^"
    ),
    "S = S if n = 3": (
        "an equation is of declared tensors, and this has none; sizes get values by dims\n"
        "  at column 10\n"
        "  S = S if n = 3\n"
        "           ^^^^^"
    ),
    "S = S if S": (
        "expected a fact such as invertible(A), an equation or a law x ~ N(mu, Sigma)\n"
        "  at column 10\n"
        "  S = S if S\n"
        "           ^"
    ),
    "S = S if S = A": (
        "the two sides differ in size: axis 1 has size n on the left and m on the right\n"
        "  left   S is n n\n"
        "  right  A is n m\n"
        "  at column 14\n"
        "  S = S if S = A\n"
        "               ^"
    ),
    "S = S if pd(v)": (
        "v : n cannot be pd: only a square matrix (n n, or n m n m) can\n"
        "  at column 10\n"
        "  S = S if pd(v)\n"
        "           ^^^^^"
    ),
    "A = A if S = S if S = S": (
        "a second `if`: separate the facts with commas\n  at column 16\n  A = A if S = S if S = S\n                 ^^"
    ),
    "sum[i](A[i,j] = v[i])": (
        "a claim needs =, => or != between its two sides, or is a fact, as in symmetric(A @ A.T)\n"
        "  at column 21\n"
        "  sum[i](A[i,j] = v[i])\n"
        "                      ^"
    ),
    "x == x": ("equality is written =\n  at column 3\n  x == x\n    ^^"),
}


@pytest.mark.parametrize("text", CLAIMS)
def test_claim(text: str) -> None:
    assert message(lambda: parse_claim(text, LET)) == CLAIMS[text]


DECLARATIONS: dict[str, str] = {
    "A n m": (
        "this declaration has no colon: write NAMES : DIMS FACTS, for example A B : n m\n"
        "  at column 5\n"
        "  A n m\n"
        "      ^"
    ),
    "A : n m ; A : n": (
        "A is declared twice in one let: keep one declaration\n  at column 11\n  A : n m ; A : n\n            ^"
    ),
    "A : n 0": ("the size 0 is not a positive integer: sizes start at 1\n  at column 7\n  A : n 0\n        ^"),
    "A : n n-n": ("the size 0 is not a positive integer: sizes start at 1\n  at column 7\n  A : n n-n\n        ^^^"),
    "A : n m symmetric": (
        "A : n m cannot be symmetric: only a square matrix (n n) can\n"
        "  at column 9\n"
        "  A : n m symmetric\n"
        "          ^^^^^^^^^"
    ),
    "x : n pd": (
        "x : n cannot be pd: only a square matrix (n n, or n m n m) can\n  at column 7\n  x : n pd\n        ^^"
    ),
    "A : n n symmetrical": (
        "symmetrical is neither a size nor a fact: did you mean symmetric?\n"
        "  at column 9\n"
        "  A : n n symmetrical\n"
        "          ^^^^^^^^^^^"
    ),
    "A : n n symmetric(0,2)": (
        "A : n n: symmetric(0, 2) names axis 2, but the axes are 0 to 1\n"
        "  at column 9\n"
        "  A : n n symmetric(0,2)\n"
        "          ^^^^^^^^^^^^^^"
    ),
    "T : n n m symmetric(0,2)": (
        "T : n n m cannot be symmetric(0, 2): swapped axes must have equal sizes, but axis 0 has size "
        "n, axis 2 has size m\n"
        "  at column 11\n"
        "  T : n n m symmetric(0,2)\n"
        "            ^^^^^^^^^^^^^^"
    ),
    "C : n m n m symmetric(0 1, 2 3)": (
        "C : n m n m cannot be symmetric(0 1, 2 3): swapped axes must have equal sizes, but axis 0 has "
        "size n, axis 1 has size m\n"
        "  at column 13\n"
        "  C : n m n m symmetric(0 1, 2 3)\n"
        "              ^^^^^^^^^^^^^^^^^^^"
    ),
    "T : n n m symmetric": (
        "T : n n m cannot be symmetric without saying which axes; write symmetric(0,1)\n"
        "  at column 11\n"
        "  T : n n m symmetric\n"
        "            ^^^^^^^^^"
    ),
    "A : n n skew pd": (
        "A cannot be skew and pd: x @ A @ x is 0 for a skew A\n  at column 9\n  A : n n skew pd\n          ^^^^^^^"
    ),
    "sum : n": (
        "sum is a name of the notation and cannot be declared: choose another\n  at column 1\n  sum : n\n  ^^^"
    ),
    "n : n": (
        "n is declared as a name (n : n) and used as a size (n : n): rename one of the two\n  at column 1\n  n : n\n  ^"
    ),
    "A : 1/2": ("the size 1/2 is not a positive integer: sizes start at 1\n  at column 5\n  A : 1/2\n      ^^^"),
    "A : n -1": (
        "n -1 is ambiguous, for spaces separate sizes: write n - 1 for one size; every size is positive, so two are "
        "not meant\n"
        "  at column 5\n"
        "  A : n -1\n"
        "      ^^^^"
    ),
    "A : m n +1 k": (
        "n +1 is ambiguous, for spaces separate sizes: write n + 1 for one size, n 1 for two\n"
        "  at column 7\n"
        "  A : m n +1 k\n"
        "        ^^^^"
    ),
    "A : n n PD": ("PD is neither a size nor a fact: did you mean pd?\n  at column 9\n  A : n n PD\n          ^^"),
    "A : n, m": ("sizes are separated by spaces, as in A : n m\n  at column 6\n  A : n, m\n       ^"),
    "let A : n": ("leave out let here: it only begins a line of a file\n  at column 1\n  let A : n\n  ^^^"),
    "A : n n symmetric, pd": (
        "A: expected a fact, found ', pd': facts are separated by spaces, as in symmetric pd\n"
        "  at column 18\n"
        "  A : n n symmetric, pd\n"
        "                   ^"
    ),
    "K : 3 3 skew invertible": (
        "K : 3 3 cannot be skew and invertible: a skew matrix of odd size is singular\n"
        "  at column 9\n"
        "  K : 3 3 skew invertible\n"
        "          ^^^^^^^^^^^^^^^"
    ),
    "U : 2 3 orthonormal": (
        "U : 2 3 cannot be orthonormal: 3 columns of 2 entries are not independent; state it of the transpose, "
        "U : 3 2\n"
        "  at column 9\n"
        "  U : 2 3 orthonormal\n"
        "          ^^^^^^^^^^^"
    ),
    "T : n n m symmetric(0,1) antisymmetric(0,1)": (
        "T cannot be symmetric(0, 1) and antisymmetric(0, 1): only zero is both\n"
        "  at column 11\n"
        "  T : n n m symmetric(0,1) antisymmetric(0,1)\n"
        "            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"
    ),
    "5 : n": ("expected a name to declare, found 5\n  at column 1\n  5 : n\n  ^"),
    "f : function(": (
        "expected `function` alone, or with what it takes and makes: `function(n)`, `function(n m, scalar) -> k`\n"
        "  at column 13\n  f : function(\n              ^"
    ),
    "f : functio n": (
        "functio is neither a size nor a fact: did you mean function?\n  at column 5\n  f : functio n\n      ^^^^^^^"
    ),
    ": n": ("a declaration starts with the names it declares, for example A B : n m\n  at column 1\n  : n\n  ^"),
    "A : n q**k": (
        "not a size: sizes are symbols and integers with + - * and ** of a small integer\n"
        "  at column 7\n"
        "  A : n q**k\n"
        "        ^^^^"
    ),
    "I : n ; A : I": (
        "I is declared as a name (I : n) and used as a size (A : I): rename one of the two\n"
        "  at column 1\n"
        "  I : n ; A : I\n"
        "  ^"
    ),
    "A B A : n": ("A is declared twice in one let: keep one declaration\n  at column 5\n  A B A : n\n      ^"),
}


@pytest.mark.parametrize("text", DECLARATIONS)
def test_declaration(text: str) -> None:
    assert message(lambda: parse_scope(text)) == DECLARATIONS[text]


def test_file_line_and_column() -> None:
    text = "let A : n m ;\n    x : n\none [a]  A.T @ x = A @ x\n    + x\ntwo A @\n@ x = x\n"
    one, two, three = parse_file(text, "my.rules")
    assert isinstance(one, BadLine)
    assert one.name == "one"
    assert str(one.error) == (
        "cannot contract A @ x: A is n m, x is n: the last axis of A has size m, the first of x has size n "
        "(A : n m ; x : n); did you mean A.T @ x?\n"
        "  at my.rules:3:20\n"
        "  one [a]  A.T @ x = A @ x\n"
        "                     ^^^^^"
    )
    assert isinstance(two, BadLine)
    assert isinstance(three, BadLine)
    assert "my.rules:6:1" in str(three.error)
    assert "a line starts with its name" in str(three.error)


def test_files_without_claims(tmp_path: Path) -> None:
    (bad,) = parse_file("", "empty.rules")
    assert isinstance(bad, BadLine)
    assert str(bad.error) == "the file has no declarations and no claims\n  at empty.rules:1:1\n  \n  ^"
    junk = tmp_path / "junk.rules"
    junk.write_bytes(b"\xff\xfe\x00binary")
    (bad,) = parse_file(junk)
    assert isinstance(bad, BadLine)
    assert "this file is not UTF-8 text" in str(bad.error)
    with pytest.raises(FileNotFoundError):
        parse_file(tmp_path / "missing.rules")


def test_a_bad_declaration_is_one_bad_line() -> None:
    bad, good = parse_file("let A : n 0\nlet x : n\none x = x\n", "f.rules")
    assert isinstance(bad, BadLine)
    assert str(bad.error) == (
        "the size 0 is not a positive integer: sizes start at 1\n  at f.rules:1:11\n  let A : n 0\n            ^"
    )
    assert not isinstance(good, BadLine)


def test_facts_of_variables() -> None:
    assert message(lambda: Variable("x", i="n", facts="pd")) == (
        "x : n cannot be pd: only a square matrix (n n, or n m n m) can"
    )
    n = size("n")
    with pytest.raises(FactError, match=r"A: no fact is called symmetrc \(did you mean symmetric"):
        parse_facts("symmetrc", (n, n), "A")
    with pytest.raises(FactError, match="A: expected a fact, found '5'"):
        parse_facts("5", (n, n), "A")


def test_long_texts_are_shown_in_part() -> None:
    text = "x + " * 500 + "unknown" + " + x" * 500
    shown = message(lambda: parse(text, "x : n"))
    assert "column 2001" in shown
    assert len(shown) < 500
    line, caret = shown.split("\n")[-2:]
    assert line[caret.index("^") :].startswith("unknown")


def test_errors_have_places() -> None:
    with pytest.raises(NotationError) as caught:
        parse("A @ y", LET)
    place = caught.value.place
    assert place is not None
    assert (place.line, place.column, place.length) == (1, 4, 1)
