# Writes theirs.npz, which `normscope gradcheck --foreign theirs.npz --norm layernorm` judges. Put your norm in place of this one.
import numpy as np
rng, eps = np.random.default_rng(0), 1e-5
x, dy = rng.standard_normal((2, 32, 64)).astype(np.float32)  # 32 rows of 64
gain, bias = rng.standard_normal((2, 64)).astype(np.float32)
r = 1 / np.sqrt(x.var(-1, keepdims=True) + np.float32(eps))
n, dn = (x - x.mean(-1, keepdims=True)) * r, dy * gain
dx = r * (dn - dn.mean(-1, keepdims=True) - n * (dn * n).mean(-1, keepdims=True))
np.savez("theirs.npz", x=x, dy=dy, gain=gain, bias=bias, eps=eps, y=gain * n + bias, dx=dx, dgain=(dy * n).sum(0), dbias=dy.sum(0))
# PyTorch: x, gain, bias = (torch.randn(s, requires_grad=True) for s in [(32, 64), (64,), (64,)]); dy = torch.randn(32, 64)
#   y = torch.nn.functional.layer_norm(x, (64,), gain, bias, eps); y.backward(dy); numbers = lambda t: t.detach().float().numpy()
#   np.savez("theirs.npz", x=numbers(x), dy=numbers(dy), ..., y=numbers(y), dx=numbers(x.grad), dgain=numbers(gain.grad), ...)
