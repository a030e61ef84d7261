# %% [markdown]
# # A convolutional network and its Jacobian
#
# A convolution is a contraction. Its third factor is a tensor of zeros and ones that is 1 where
# *input = kernel + stride · output*. Seen so, convolutional networks need no calculus of their own; and seen by the
# compiler, that tensor is never formed: it is a view.

# %%
import torch

import tensorgrad as tg
from tensorgrad import F

n, k = tg.symbols("n k")
x, u = tg.Variable("x", i=n), tg.Variable("u", k=k)
slide = F.Convolution(i=n, k=k, o=None)
signal = x @ slide @ u
print(signal)
signal

# %% [markdown]
# Take away the input, and what is left is the derivative by it: a band matrix with the kernel along its diagonals.

# %%
signal.grad(x).simplify()

# %% [markdown]
# Two dimensions are two such tensors. A network for images of 8 by 8 pixels: convolution, relu, convolution with stride 2,
# relu, and a linear map to three classes.

# %%
image = tg.Variable("image", c=1, h=8, w=8)
K1 = tg.Variable("K1", c=1, kh=3, kw=3, f=4)
K2 = tg.Variable("K2", f=4, lh=2, lw=2, g=5)
D = tg.Variable("D", g=5, h2=3, w2=3, out=3)
first = image @ F.Convolution(h=8, kh=3, h1=None) @ F.Convolution(w=8, kw=3, w1=None) @ K1
second = (
    F.relu(first) @ F.Convolution(h1=6, lh=2, h2=None, stride=2) @ F.Convolution(w1=6, lw=2, w2=None, stride=2) @ K2
)
logits = F.relu(second) @ D
print({name: t.shape for name, t in {"first": first, "second": second, "logits": logits}.items()})
first

# %% [markdown]
# The Jacobian of the three logits by all pixels says what the network looks at. As a diagram it is the network read
# backwards, with a step function where there was a relu:

# %%
jacobian = logits.grad(image).simplify()
jacobian

# %% [markdown]
# The program windows the image, a view of memory; on the way back what is multiplied is added up at the pixels that it
# came from. No tensor of zeros and ones occurs.

# %%
step = tg.compile(logits=logits, jacobian=jacobian)
print(step.source)

# %% [markdown]
# A linear layer of the shape of the first convolution, from 64 pixels to 4 · 36 numbers, has 9,216 weights; the convolution
# has 36. Formed, its two tensors of zeros and ones would have 288 entries, and their product 20,736; as views they take no
# memory at all. In operations, the Jacobian costs a little more than one more pass through the network for each logit:

# %%
print("entries of the tensors of zeros and ones:", 8 * 3 * 6 * 2, "and of their product:", (8 * 3 * 6) ** 2)
print(f"operations: logits {tg.compile(logits=logits).plan.flops:,}, logits and Jacobian {step.plan.flops:,}")

# %% [markdown]
# The check, against torch's `conv2d` and its Jacobian:

# %%
torch.manual_seed(0)
shapes = {v.name: tuple(v.shape.values()) for v in (image, K1, K2, D)}
data = {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}


def torch_logits(pixels: torch.Tensor) -> torch.Tensor:
    one = torch.relu(torch.nn.functional.conv2d(pixels, data["K1"].permute(3, 0, 1, 2)))
    two = torch.relu(torch.nn.functional.conv2d(one, data["K2"].permute(3, 0, 1, 2), stride=2))
    return torch.einsum("ghw,ghwo->o", two, data["D"])


found = step(**data)
torch.testing.assert_close(found.logits, torch_logits(data["image"]))
torch.testing.assert_close(found.jacobian, torch.autograd.functional.jacobian(torch_logits, data["image"]))
print("logits and Jacobian agree with torch's; its shape is", tuple(found.jacobian.shape))
