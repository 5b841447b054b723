"""Reads run files as users do: swmr_reader.py grow|crashed|finished|arrays PATH; exits 1 with the reason."""
import sys
import time

import h5py
import numpy as np

STEPS = "step epoch tokens elapsed_s loss lr grad_norm clip_coef".split()
MATRICES = {
    "param": ["grad/norm", "grad/max_abs", "weight/norm", "update/ratio"],
    "residual": ["residual/grad_norm", "residual/grad_times_x", "residual/rms", "residual/mean_share"],
}


def grow(path):
    """Follows a file that is being written; its elapsed_s holds the clock at which the row was appended."""
    file = h5py.File(path, "r", swmr=True)
    assert file.attrs["status"] == "running", file.attrs["status"]
    step, clock, norm = file["steps/step"], file["steps/elapsed_s"], file["grad/norm"]
    lengths, worst = set(), 0.0
    end = time.time() + 3
    while time.time() < end:
        step.refresh()
        rows = step.shape[0]
        now = time.time()
        clock.refresh()
        norm.refresh()
        assert clock.shape[0] >= rows and norm.shape[0] >= rows, "a column is shorter than /steps/step"
        assert list(step[:rows]) == list(range(rows))
        if rows:
            worst = max(worst, now - clock[rows - 1])
            assert norm[rows - 1, 0] == np.float32(rows - 1)
        lengths.add(rows)
        time.sleep(0.02)
    assert len(lengths) >= 4, f"rows did not grow: {sorted(lengths)}"
    assert worst < 1.0, f"a row was {worst:.2f} s old and the newest"
    print(f"saw {sorted(lengths)} rows, the newest at most {worst:.2f} s old")


def crashed(path):
    """A killed writer's file opens under SWMR and not plainly."""
    try:
        h5py.File(path, "r")
    except OSError:
        pass
    else:
        raise AssertionError("a plain open of a crashed run worked")
    with h5py.File(path, "r", swmr=True) as file:
        rows = file["steps/step"].shape[0]
        assert rows > 0
        assert list(file["steps/step"][:]) == list(range(rows))
        assert file.attrs["status"] == "running"


def finished(path):
    """Opens plainly; every object, attribute and axis is where the interface says."""
    with h5py.File(path, "r") as file:
        attributes = dict(file.attrs)
        for name in ("format status config_json command git_commit version host isa gemm_backend hdf5_version "
                     "started_at data_sha256 epoch_label tokenizer").split():
            assert isinstance(attributes[name], str), f"{name} is {type(attributes[name])}"
        assert attributes["format"] == "normscope-run" and attributes["format_version"] == 1
        assert attributes["status"] == "done"
        assert int(attributes["seed"]) == 2**64 - 2 and attributes["threads"] == 2
        assert "Grüße" in attributes["config_json"]
        rows, count = file["steps/step"].shape[0], {"param": 3, "residual": 2}
        assert [file["steps"][name].shape for name in STEPS] == [(rows,)] * len(STEPS)
        assert set(file["steps"]) == set(STEPS)
        for axis, names in MATRICES.items():
            for name in names:
                data = file[name]
                assert data.shape == (rows, count[axis]) and data.dtype == np.float32, name
                assert [dim.label for dim in data.dims] == ["step", axis], name
                assert data.dims[0][0] == file["steps/step"], name
        for name in ("grad/norm", "grad/max_abs", "steps/grad_norm", "epochs/mean_grad_norm", "residual/grad_norm"):
            assert file[name].attrs["stage"] == "before clipping", name
        assert file["grad/norm"].attrs["norm_order"] == 2 and file["grad/max_abs"].attrs["norm_order"] == np.inf
        assert np.isnan(file["grad/norm"][0, 1])
        assert file["grad/norm"].dims[1][0] == file["params/name"]
        for name in ("name", "role", "shape"):
            kind = h5py.check_string_dtype(file["params"][name].dtype)
            assert kind.encoding == "utf-8" and kind.length is not None, name
        assert list(file["params/name"].asstr()) == ["embed.tokens", "blocks.0.attn_norm.gain",
                                                     "blocks.0.attn.q.weight"]
        assert list(file["params/shape"].asstr()) == ["65x8", "8", "8x8"]
        assert list(file["params/numel"]) == [520, 8, 64] and list(file["params/block"]) == [-1, 0, 0]
        assert list(file["residual/name"].asstr()) == ["residual.0", "blocks.0.attn"]
        assert set(file["eval"]) == {"step", "train_loss", "val_loss", "exact"}
        assert set(file["epochs"]) == {"epoch", "complete", "loss", "mean_grad_norm", "param_grad_norm",
                                       "residual_grad_norm"}
        assert file["epochs/param_grad_norm"].shape == (1, 3) and file["epochs/residual_grad_norm"].shape == (1, 2)
        assert file["stats/grad/kurtosis"].shape == (rows, 3) and file["stats/nonfinite/count"].shape == (rows,)
        assert file["stats/attn/entropy"].dims[1][0] == file["heads/name"]
        axes = {name: file["stats"][name].attrs["axis"] for name in ("grad/kurtosis", "nonfinite/count", "attn/entropy")}
        assert list(axes.values()) == ["params", "one", "heads"], axes
        for group, signal in (("grad", "norm"), ("residual", "grad_norm")):
            marks = file[group].attrs
            assert marks["NX_class"] == "NXdata" and marks["signal"] == signal and list(marks["axes"]) == ["step", "."]
            assert file[group]["step"] == file["steps/step"]

        def described(name, item):
            if isinstance(item, h5py.Dataset):
                assert isinstance(item.attrs["units"], str) and isinstance(item.attrs["long_name"], str), name

        file.visititems(described)
        check_values(file)


def check_values(file):
    """Each number stands under its own name: those of SampleRow, sample_epoch() and an evaluation at step 10."""
    at = 12
    row = {"step": at, "epoch": 2, "tokens": 13 * 1024, "elapsed_s": 0.1 * at, "loss": 4 / 13, "lr": 1e-3 / 3,
           "grad_norm": 5e-324, "clip_coef": 0.7}
    assert {name: file["steps"][name][at] for name in row} == row
    first = {"step": 10, "train_loss": 3, "val_loss": 4, "exact": 0}
    assert {name: file["eval"][name][0] for name in first} == first
    epoch = {"epoch": 1, "complete": 1, "loss": 3.5, "mean_grad_norm": 0.25, "param_grad_norm": [1, 2, 3],
             "residual_grad_norm": [4, 5]}
    assert {name: file["epochs"][name][0].tolist() for name in epoch} == epoch
    columns = [name for names in MATRICES.values() for name in names[:2]] + ["stats/grad/kurtosis"]
    assert len({file[name][at, 0] for name in columns}) == len(columns)
    assert file["grad/norm"][at, 0] < file["grad/max_abs"][at, 0] < file["residual/grad_norm"][at, 0]


def arrays(path):
    """A dump as interface.md has it: paths with dots kept, a scalar loss."""
    with h5py.File(path, "r") as file:
        assert file["/loss"].shape == () and file["/loss"][()] == 4.5
        assert file["/grads/blocks.3.attn_norm.gain"][:].tolist() == [1.0, 2.0]
        assert file["/tokens"].dtype == np.int64 and file["/tokens"].shape == (1, 2)
    with h5py.File(path + ".from_python", "w") as file:   # what a user may hand back
        file["tokens"] = np.array([[1, -2]], dtype=np.int16)
        file["targets"] = np.array([[3, 4]], dtype=">u4")
        file["mask"] = np.array([True, False])
        file["half"] = np.array([0.5], dtype=np.float16)
        file["text"] = "hello"


if __name__ == "__main__":
    try:
        {f.__name__: f for f in (grow, crashed, finished, arrays)}[sys.argv[1]](sys.argv[2])
    except AssertionError as error:
        line = error.__traceback__
        while line.tb_next:
            line = line.tb_next
        sys.exit(f"swmr_reader.py:{line.tb_lineno}: {error}")
