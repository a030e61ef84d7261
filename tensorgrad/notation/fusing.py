"""Recognising kron, khatri_rao, vec, unvec and commutation: reductions around a flat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tensorgrad.notation.chains import Element, Piece, matrix_element, vector_element
from tensorgrad.notation.text import Text, call
from tensorgrad.sizes import ONE

if TYPE_CHECKING:
    from tensorgrad.notation.chains import Reduction


def fuse(r: Reduction, flat: Piece) -> bool:
    """One reduction with this flat; whether there was one."""
    if len(flat.parts) < 2:
        return False
    if len(set(flat.edges)) < len(flat.edges):
        return _repeated(r, flat)
    if ONE in flat.parts:
        return _without_ones(r, flat)
    if _two_flats(r, flat):
        return True
    whole, parts = flat.edges[0], flat.edges[1:]
    beside = [_beside(r, flat, e) for e in parts]
    if all(b is not None and len(b.edges) == 1 for b in beside):
        return _vectors(r, flat, [b for b in beside if b is not None])
    if len(parts) != 2:
        return False
    if _unvec(r, flat):
        return True
    a, b = beside
    if a is None or b is None:
        return _beside_nothing(r, flat, a, b)
    if a is b and len(a.edges) == 2:
        turned = a if a.edges == (parts[1], parts[0]) else a.turned()
        r.drop(flat, a)
        r.put(Piece((whole,), [vector_element(call("vec", turned.element().forward.s))]))
        return True
    return _matrices(r, flat, a, b) or _beside_nothing(r, flat, a, b)


def _unvec(r: Reduction, flat: Piece) -> bool:
    """A vector on the fused edge of two parts."""
    whole, first, second = flat.edges
    on_whole = [p for p in r.legs[whole] if p is not flat]
    if len(on_whole) != 1 or on_whole[0].edges != (whole,) or r.ends[whole]:
        return False
    text = call("unvec", on_whole[0].element().forward.s, str(flat.parts[1]), str(flat.parts[0]))
    r.drop(flat, on_whole[0])
    r.put(Piece((second, first), [matrix_element(text)]))
    return True


def _repeated(r: Reduction, flat: Piece) -> bool:
    """A flat of two equal parts: `tr(unvec(v, n, n))`, `vec(I[n])`, `vec(diag(x))`."""
    whole, *parts = flat.edges
    if len(parts) != 2 or parts[0] != parts[1] or whole in parts:
        return False
    if _unvec(r, flat):
        return True
    vectors = [p for p in r.legs[parts[0]] if p is not flat]
    if r.ends[parts[0]] or len(vectors) > 1 or any(p.edges != (parts[0],) for p in vectors):
        return False
    inside = call("diag", vectors[0].element().forward.s) if vectors else r.identity(flat.parts[0])
    r.drop(flat, *vectors)
    r.put(Piece((whole,), [vector_element(call("vec", inside.s))]))
    return True


def _two_flats(r: Reduction, flat: Piece) -> bool:
    """Two flats on one fused edge unify their equal parts; two on the same parts unify their fused edges."""
    whole, parts = flat.edges[0], flat.edges[1:]
    for other in r.legs[whole]:
        if (
            other is flat
            or other.parts != flat.parts
            or r.ends[whole]
            or len(r.legs[whole]) > 2
            or other.edges[0] != whole
        ):
            continue
        pairs = [(a, b) if not r.ends[a] else (b, a) for a, b in zip(parts, other.edges[1:], strict=True)]
        if (
            set(parts) & set(other.edges)
            or len(set(other.edges)) < len(other.edges)
            or any(r.ends[old] for old, _ in pairs)
        ):
            continue
        r.drop(flat, other)
        for old, new in pairs:
            r.rename(old, new)
        return True
    for other in r.legs[parts[0]]:
        if other is flat or not other.parts or other.edges[1:] != parts or other.edges[0] == whole:
            continue
        far = other.edges[0]
        if any(r.ends[e] or len(r.legs[e]) > 2 for e in parts) or (r.ends[whole] and r.ends[far]):
            continue
        r.drop(flat, other)
        r.rename(*((whole, far) if not r.ends[whole] else (far, whole)))
        return True
    return False


def _without_ones(r: Reduction, flat: Piece) -> bool:
    """Parts of size 1 fuse nothing; a flat with one part is an identity."""
    kept = [(e, d) for e, d in zip(flat.edges[1:], flat.parts, strict=True) if d is not ONE]
    r.drop(flat)
    if len(kept) > 1:
        r.put(Piece((flat.edges[0], *(e for e, _ in kept)), flat.chain, parts=tuple(d for _, d in kept)))
    elif kept:
        whole, part = flat.edges[0], kept[0][0]
        if not r.ends[part]:
            r.rename(part, whole)
        elif not r.ends[whole]:
            r.rename(whole, part)
        else:
            r.put(Piece((whole, part), [vector_element(r.identity(kept[0][1]))]))
    else:
        r.put(Piece(flat.edges[:1], [vector_element(Text("ones[1]"))]))
    return True


def _beside_nothing(r: Reduction, flat: Piece, a: Piece | None, b: Piece | None) -> bool:
    """A vector on one part, the other part left open: the matrix kron(v as a column, I), or kron(I, v as a column)."""
    whole, first, second = flat.edges
    if a is not None and len(a.edges) == 1 and whole not in (first, second):
        texts, open_edge, used = [_column(a).s, r.identity(flat.parts[1]).s], second, a
    elif b is not None and len(b.edges) == 1:
        texts, open_edge, used = [r.identity(flat.parts[0]).s, _column(b).s], first, b
    else:
        return False
    r.drop(flat, used)
    r.put(Piece((whole, open_edge), [matrix_element(call("kron", *texts))]))
    return True


def _beside(r: Reduction, flat: Piece, edge: int) -> Piece | None:
    """What alone shares a part with the flat; a vector of ones if nothing does."""
    others = [p for p in r.legs[edge] if p is not flat]
    if r.ends[edge] or len(others) > 1:
        return None
    return others[0] if others else Piece((edge,), [vector_element(Text(f"ones[{r.dims[edge]}]"))])


def _vectors(r: Reduction, flat: Piece, beside: list[Piece]) -> bool:
    text = beside[0].element().forward
    for piece in beside[1:]:
        text = call("kron", text.s, piece.element().forward.s)
    r.drop(flat, *beside)
    r.put(Piece(flat.edges[:1], [vector_element(text)]))
    return True


def _matrices(r: Reduction, flat: Piece, a: Piece, b: Piece) -> bool:
    whole, first, second = flat.edges
    if a is b and a.parts:
        return _commutation(r, flat, a)
    far_a, far_b = _far(a, first), _far(b, second)
    if far_a is not None and far_a == far_b:
        texts = [_facing(p, e).forward.s for p, e in ((a, first), (b, second))]
        r.drop(flat, a, b)
        r.put(Piece((whole, far_a), [matrix_element(call("khatri_rao", *texts))]))
        return True
    other = _other_flat(r, flat, a, b, far_a, far_b)
    if other is not None:
        left = _facing(a, first) if far_a is not None else vector_element(r.identity(flat.parts[0]))
        right = _facing(b, second) if far_b is not None else vector_element(r.identity(flat.parts[1]))
        element = Element(
            call("kron", left.forward.s, right.forward.s), call("kron", left.backward.s, right.backward.s)
        )
        r.drop(flat, other, *(p for p in (a, b) if p is not other))
        r.put(Piece((whole, other.edges[0]), [element]))
        return True
    if (far_a is None) == (far_b is None) or a.parts or b.parts or len(a.edges) > 2 or len(b.edges) > 2:
        return False
    far = far_a if far_a is not None else far_b
    assert far is not None
    texts = [
        _facing(p, e).forward.s if f is not None else _column(p).s
        for p, e, f in ((a, first, far_a), (b, second, far_b))
    ]
    r.drop(flat, a, b)
    r.put(Piece((whole, far), [matrix_element(call("kron", *texts))]))
    return True


def _column(vector: Piece) -> Text:
    return call("outer", vector.element().forward.s, "ones[1]")


def _far(piece: Piece, edge: int) -> int | None:
    """The other edge of a matrix."""
    if len(piece.edges) != 2:
        return None
    return piece.edges[1] if piece.edges[0] == edge else piece.edges[0]


def _facing(piece: Piece, edge: int) -> Element:
    """A matrix with its rows on this edge."""
    return (piece if piece.edges[0] == edge else piece.turned()).element()


def _other_flat(r: Reduction, flat: Piece, a: Piece, b: Piece, far_a: int | None, far_b: int | None) -> Piece | None:
    """The flat that fuses the far ends of a and b in the same order (an identity where a flat meets it directly)."""
    ends = (far_a if far_a is not None else flat.edges[1], far_b if far_b is not None else flat.edges[2])
    if (far_a is None and not a.parts) or (far_b is None and not b.parts):
        return None
    for piece in r.legs[ends[0]]:
        if piece is flat or not piece.parts or piece.edges[1:] != ends or piece.edges[0] == flat.edges[0]:
            continue
        if (
            (far_a is None and piece is not a)
            or (far_b is None and piece is not b)
            or (far_a is None and far_b is None)
        ):
            continue
        if all(len(r.legs[e]) == 2 and not r.ends[e] for e in ends):
            return piece
    return None


def _commutation(r: Reduction, flat: Piece, other: Piece) -> bool:
    if other.edges[1:] != (flat.edges[2], flat.edges[1]) or other.edges[0] == flat.edges[0]:
        return False
    n, m = flat.parts
    r.drop(flat, other)
    text = Element(Text(f"commutation[{n}, {m}]"), Text(f"commutation[{m}, {n}]"))
    r.put(Piece((flat.edges[0], other.edges[0]), [text]))
    return True
