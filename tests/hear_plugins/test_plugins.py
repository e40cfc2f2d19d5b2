"""What every plugin promises, checked on all of them: the one suite over the list of modules.

Weights are random where a plugin can have random ones (their numbers are checked in the plugins'
own tests); a plugin whose package is missing is skipped.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import importlib.util
import inspect
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity_fixtures import audio, save
from torch import Tensor

from benchmark.models.conformance import validate
from benchmark.models.discovery import our_modules
from hear_plugins.api.card import read_card
from hear_plugins.api.hear_model import HearModel
from hear_plugins.weights.loading import RANDOM_VARIABLE, WeightsError

SEED = 7
MAX_STEP_MS = 50
SAME = 1e-4


@dataclass(frozen=True)
class Plugin:
    module: ModuleType
    model: Any
    said: str  # on stderr, and
    printed: str  # on stdout, by load_model

    def sounds(self, seconds: float, clips: int = 2, seed: int = 1) -> Tensor:
        return audio(seed, seconds, self.model.sample_rate, clips)

    @property
    def name(self) -> str:
        return self.module.__name__.rpartition(".")[2]

    def layers(self, sounds: Tensor) -> list[Tensor]:
        found: list[Tensor] = self.module.get_layer_embeddings(sounds, self.model)
        return found

    def scene(self, sounds: Tensor) -> Tensor:
        out: Tensor = self.module.get_scene_embeddings(sounds, self.model)
        return out

    def timestamps(self, sounds: Tensor) -> tuple[Tensor, Tensor]:
        embeddings, times = self.module.get_timestamp_embeddings(sounds, self.model)
        return embeddings, times


@pytest.fixture(scope="module", params=our_modules())
def plugin(request: pytest.FixtureRequest) -> Iterator[Plugin]:
    module = importlib.import_module(request.param)
    said, printed = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(printed),
    ):
        patch.setenv(RANDOM_VARIABLE, str(SEED))
        try:
            model = module.load_model()
        except (ImportError, WeightsError) as error:
            if "pip install" not in str(error):
                raise
            pytest.skip(str(error))
    yield Plugin(module, model, said.getvalue(), printed.getvalue())


def test_the_api(plugin: Plugin) -> None:
    model, module = plugin.model, plugin.module
    assert isinstance(model, HearModel)
    assert not model.training
    assert model.sample_rate in (16000, 22050, 32000, 44100, 48000)
    for size in (model.scene_embedding_size, model.timestamp_embedding_size):
        assert isinstance(size, int) and size > 0
    for function in (
        module.load_model,
        module.get_scene_embeddings,
        module.get_timestamp_embeddings,
    ):
        assert function.__doc__
    parameters = list(inspect.signature(module.load_model).parameters.values())
    assert parameters[0].name == "model_file_path" and parameters[0].default == ""
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters[1:])


def test_the_card_is_true(plugin: Plugin) -> None:
    card, model = plugin.module.CARD, plugin.model
    assert card == read_card(plugin.name)
    assert card.sample_rate == model.sample_rate
    assert card.scene_embedding_size == model.scene_embedding_size
    assert card.timestamp_embedding_size == model.timestamp_embedding_size
    assert card.parameters == sum(parameter.numel() for parameter in model.parameters())


def test_random_weights_are_owned_up_to(plugin: Plugin) -> None:
    weights = plugin.model.provenance["weights"]
    if "random_weights" in inspect.signature(plugin.module.load_model).parameters:
        assert weights == "random" and plugin.model.provenance["random_weights"] == SEED
        assert "random weights" in plugin.said and len(plugin.said.splitlines()) == 1
    else:
        assert weights in ("none", "package") and plugin.said == ""
    assert plugin.printed == ""


def test_form_of_embeddings(plugin: Plugin) -> None:
    sounds = plugin.sounds(0.3, clips=3)
    kept = sounds.clone()
    scene, (frames, times) = plugin.scene(sounds), plugin.timestamps(sounds)
    assert torch.equal(sounds, kept)  # audio is the caller's
    assert scene.shape == (3, plugin.model.scene_embedding_size)
    assert frames.shape == (3, times.shape[1], plugin.model.timestamp_embedding_size)
    assert times.shape == frames.shape[:2]
    for out in (scene, frames, times):
        assert out.dtype == torch.float32
        assert out.device == sounds.device
        assert not out.requires_grad
        assert out.isfinite().all()
    # What a user trains on embeddings gets its gradients.
    head = torch.nn.Linear(scene.shape[1], 1)
    head(scene).sum().backward()
    assert head.weight.grad is not None


# Length of each layer's output, in the order of the network; models that are not here have none.
LAYER_SIZES = {
    "ast": [768] * 12,
    "ast_fusion": [768] * 12,
    "atst_clip": [1536] * 12,
    "atst_frame": [768] * 12,
    "beats": [768] * 12,
    "byol_a": [2048, 1024, 512, 2048, 2048],
    "byol_a_v2": [2048, 1024, 2048, 2048],
    "byol_s": [2048, 1024, 512, 2048, 2048],
    "byol_s_clstm": [7424, 3584, 1024, 1024],
    "byol_s_resnetish34": [2048] * 16,
    "cnn14": [2048] * 5 + [4096],
    "cnn14_fusion": [2048] * 5 + [4096],
    "crepe": [1024, 128, 128, 128, 256],
    "dasheng": [768] * 12,
    "data2vec_audio": [768] * 13,
    "hts_at": [96] * 2 + [192] * 2 + [384] * 6 + [768] * 2,
    "hubert": [768] * 13,
    "hybrid_byol_s": [2048, 1024, 512, 2048, 2048],
    "hybrid_byol_s_cvt": [1024, 2048, 2048],
    "m2d": [3840] * 12,
    "mae_ast": [768] * 12,
    "matpac": [3840] * 12,
    "mert": [768] * 13,
    "openl3": [8192, 8192, 8192, 6144],
    "passt": [768] * 12,
    "transformers_audio": [768] * 13,
    "unispeech_sat": [768] * 13,
    "vggish": [4096] * 8 + [128],
    "vggish_fusion": [4096] * 8 + [128],
    "wav2vec2": [1024] * 24,
    "wavlm": [768] * 13,
    "whisper": [512] * 7,
    "xls_r": [1024] * 25,
}


def test_layers(plugin: Plugin) -> None:
    name, sounds = plugin.name, plugin.sounds(1.1)
    if name not in LAYER_SIZES:
        with pytest.raises(NotImplementedError, match="has no layers"):
            plugin.layers(sounds)
        return
    layers = plugin.layers(sounds)
    assert [layer.shape for layer in layers] == [(2, size) for size in LAYER_SIZES[name]]
    for layer, alone in zip(layers, plugin.layers(sounds[1:]), strict=True):
        assert layer.dtype == torch.float32 and not layer.requires_grad
        assert (layer[0] - layer[1]).norm() > 10 * SAME * layer[0].norm()
        assert_same(alone[0], layer[1])


# What of the scene embedding the layers are, of models whose scene embedding is made of layers.
SCENES_OF_LAYERS: dict[str, Callable[[Tensor, list[Tensor]], tuple[Tensor, Tensor]]] = {
    "ast_fusion": lambda scene, x: (scene, torch.cat([x[4], x[11]], 1)),
    "atst_clip": lambda scene, x: (
        scene,
        torch.cat([y[:, :768] for y in x] + [y[:, 768:] for y in x], 1),
    ),
    "atst_frame": lambda scene, x: (scene, torch.cat(x, 1)),
    "byol_a_v2": lambda scene, x: (scene, torch.cat([x[1], x[3]], 1)),
    "cnn14_fusion": lambda scene, x: (scene, torch.cat([x[2], x[5]], 1)),
    "crepe": lambda scene, x: (scene.unflatten(1, (256, 8)).mean(2), x[4]),
    "passt": lambda scene, x: (scene[:, 527:], x[11]),
    "vggish_fusion": lambda scene, x: (scene, torch.cat([x[3], x[5]], 1)),
    # Scenes are standardised over all frames and values.
    "wav2vec2": lambda scene, x: (layer_norm(scene), layer_norm(x[23])),
}
# And whose scene embedding is the last layer's output.
LAST_LAYER = {"ast", "beats", "dasheng", "m2d", "mae_ast", "matpac", "hts_at", "openl3"}
LAST_LAYER |= {"byol_a", "byol_s", "byol_s_clstm", "byol_s_resnetish34"}
LAST_LAYER |= {"hybrid_byol_s", "hybrid_byol_s_cvt"}
LAST_LAYER |= {"data2vec_audio", "hubert", "mert", "transformers_audio", "unispeech_sat"}
LAST_LAYER |= {"wavlm", "whisper", "xls_r"}


def layer_norm(x: Tensor) -> Tensor:
    return torch.nn.functional.layer_norm(x, x.shape[1:])


@pytest.mark.parametrize("seconds", [0.9, pytest.param(12.3, marks=pytest.mark.long)])
def test_scenes_are_made_of_layers(plugin: Plugin, seconds: float) -> None:
    if plugin.name not in SCENES_OF_LAYERS | dict.fromkeys(LAST_LAYER):
        pytest.skip("its scene embedding is not made of its layers' outputs")
    sounds = plugin.sounds(seconds, clips=1)
    scene, layers = plugin.scene(sounds), plugin.layers(sounds)
    if plugin.name in LAST_LAYER:
        assert_same(scene, layers[-1])
    else:
        assert_same(*SCENES_OF_LAYERS[plugin.name](scene, layers))


NEVER_USED = {
    "byol_s_clstm": {"network.bilstm.weight_hh_l0_reverse"},  # this direction makes one step
    "cnn14_fusion": {"network.fc1.weight", "network.fc1.bias"},
}


@pytest.mark.costly
def test_gradients_flow(plugin: Plugin) -> None:
    sounds = plugin.sounds(0.5, clips=1).requires_grad_()
    model = plugin.model
    if plugin.name in ("opensmile", "byol_s_cvt_opensmile"):
        for method in (model.scenes, model.timestamps):
            with pytest.raises(ValueError, match="no gradient"):
                method(sounds)
        return
    if plugin.name == "vggish":  # whose post-processing rounds
        model = plugin.module.load_model(postprocess=False, random_weights=SEED)
    outputs = [model.scenes, lambda x: model.timestamps(x)[0]]
    if plugin.name in LAYER_SIZES:
        outputs.append(lambda x: torch.cat(model.layers(x), 1))
    reached: set[str] = set()
    for output in outputs:
        output(sounds).square().mean().backward()
        assert sounds.grad is not None and sounds.grad.isfinite().all() and sounds.grad.any()
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        assert all(gradient.isfinite().all() for gradient in gradients.values())
        reached |= {name for name, gradient in gradients.items() if gradient.any()}
        sounds.grad = None
        model.zero_grad()
    missed = {name for name, p in model.named_parameters() if p.requires_grad} - reached
    assert missed == NEVER_USED.get(plugin.name, set())


@pytest.mark.costly
def test_training_mode_changes_no_embedding(plugin: Plugin) -> None:
    model, sounds = plugin.model, plugin.sounds(0.3)
    expected, kept = plugin.scene(sounds), {n: x.clone() for n, x in model.state_dict().items()}
    model.train()
    try:
        for embed in (plugin.scene, plugin.timestamps):
            try:
                embed(sounds)
            except ValueError as error:
                assert "model.eval()" in str(error)
            else:
                assert torch.equal(plugin.scene(sounds), expected)
    finally:
        model.eval()
    assert all(torch.equal(x, kept[name]) for name, x in model.state_dict().items())
    assert torch.equal(plugin.scene(sounds), expected)


@pytest.mark.costly
def test_every_linear_layer_is_called(plugin: Plugin) -> None:
    """Hooks, LoRA and quantisation act on the layers, not on their weights."""
    sounds, called = plugin.sounds(0.3), set()
    layers = {n: x for n, x in plugin.model.named_modules() if isinstance(x, torch.nn.Linear)}
    scene, (frames, _) = plugin.scene(sounds), plugin.timestamps(sounds)
    hooks = [
        layer.register_forward_hook(lambda *_, name=name: called.add(name))
        for name, layer in layers.items()
    ]
    try:
        assert_same(plugin.scene(sounds), scene)
        assert_same(plugin.timestamps(sounds)[0], frames)
    finally:
        for hook in hooks:
            hook.remove()
    unused = {name.rpartition(".")[0] for name in NEVER_USED.get(plugin.name, set())}
    if plugin.name == "vggish_fusion":
        unused = {name for name in layers if "embeddings" in name}  # behind the chosen layers
    if plugin.name == "wavlm":  # transformers gives their weights to torch's attention
        unused = {
            name for name in layers if name.endswith(("q_proj", "k_proj", "v_proj", "out_proj"))
        }
    assert called == set(layers) - unused


@pytest.mark.costly
def test_weights_may_be_bfloat16(plugin: Plugin) -> None:
    if not list(plugin.model.parameters()):
        pytest.skip("has no parameters")
    sounds = plugin.sounds(0.25, clips=1)
    lower = copy.deepcopy(plugin.model).to(torch.bfloat16)
    scene = plugin.module.get_scene_embeddings(sounds, lower)
    frames, _ = plugin.module.get_timestamp_embeddings(sounds, lower)
    for got, expected in ((scene, plugin.scene(sounds)), (frames, plugin.timestamps(sounds)[0])):
        assert got.dtype == torch.float32 and got.isfinite().all()
        assert (got - expected).norm() < 0.3 * expected.norm()


@pytest.mark.costly
def test_embeddings_are_float32_under_autocast(plugin: Plugin) -> None:
    sounds = plugin.sounds(0.25, clips=1)
    with torch.autocast("cpu", torch.bfloat16):
        scene, (frames, times) = plugin.scene(sounds), plugin.timestamps(sounds)
    assert scene.dtype == frames.dtype == times.dtype == torch.float32
    assert (scene - plugin.scene(sounds)).norm() < 0.3 * scene.norm()


def test_sounds_have_different_embeddings(plugin: Plugin) -> None:
    scene = plugin.scene(plugin.sounds(0.7, clips=3))
    assert (scene[0] - scene[1]).norm() > 10 * SAME * scene[0].norm()
    assert (scene[1] - scene[2]).norm() > 10 * SAME * scene[1].norm()


@pytest.mark.costly
def test_nothing_is_printed(plugin: Plugin, capfd: pytest.CaptureFixture[str]) -> None:
    for seconds in (0.001, 0.5):
        plugin.scene(plugin.sounds(seconds))
        plugin.timestamps(plugin.sounds(seconds))
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "seconds", [0.61, *(pytest.param(x, marks=pytest.mark.long) for x in (0.3, 1.07))]
)
def test_timestamps(plugin: Plugin, seconds: float) -> None:
    sounds = plugin.sounds(seconds)
    end = 1000 * sounds.shape[1] / plugin.model.sample_rate
    _, times = plugin.timestamps(sounds)
    assert torch.equal(times[0], times[1])
    steps = times[0].double().diff()
    step = steps.mean().item()
    assert 0 < step <= MAX_STEP_MS
    assert (steps - step).abs().max() < 1e-3
    assert 0 <= times[0, 0] <= step
    assert end - step < times[0, -1] <= end


@pytest.mark.costly
def test_a_sound_is_embedded_by_itself(plugin: Plugin) -> None:
    levels = torch.tensor([[1.0], [0.0], [0.001]])
    sounds = levels * plugin.sounds(0.4, clips=3)
    scene, (frames, _) = plugin.scene(sounds), plugin.timestamps(sounds)
    for i in range(3):
        assert_same(plugin.scene(sounds[i : i + 1])[0], scene[i])
        assert_same(plugin.timestamps(sounds[i : i + 1])[0][0], frames[i])


@pytest.mark.costly
def test_layout_and_precision_do_not_matter(plugin: Plugin) -> None:
    sounds = plugin.sounds(0.2)
    scene = plugin.scene(sounds)
    strided = sounds.repeat_interleave(2, dim=1)[:, ::2]
    assert not strided.is_contiguous()
    assert_same(plugin.scene(strided), scene)
    assert_same(plugin.scene(sounds.double()), scene)
    with torch.inference_mode():
        assert_same(plugin.scene(sounds), scene)


def assert_same(got: Tensor, expected: Tensor) -> None:
    assert got.shape == expected.shape
    assert (got - expected).norm() <= SAME * expected.norm()


@pytest.mark.costly
@settings(max_examples=8)
@given(samples=st.integers(1, 3000), clips=st.integers(1, 3))
def test_short_sounds(plugin: Plugin, samples: int, clips: int) -> None:
    sounds = plugin.sounds(0.2, clips)[:, :samples]
    scene, (frames, times) = plugin.scene(sounds), plugin.timestamps(sounds)
    assert scene.shape[0] == frames.shape[0] == clips
    assert frames.shape[1] == times.shape[1] >= 1
    assert scene.isfinite().all() and frames.isfinite().all()
    assert 0 <= times[0, 0] <= MAX_STEP_MS
    end = 1000 * sounds.shape[1] / plugin.model.sample_rate
    assert end - MAX_STEP_MS <= times[0, -1] <= end + MAX_STEP_MS


@pytest.mark.parametrize("samples", [1, 2])
def test_the_shortest_sounds(plugin: Plugin, samples: int) -> None:
    sounds = plugin.sounds(0.1)[:, :samples]
    assert plugin.scene(sounds).isfinite().all()
    assert plugin.timestamps(sounds)[0].isfinite().all()


LEVELS: dict[str, Callable[[Tensor], Tensor]] = {
    "silence": lambda noise: 0 * noise,
    "constant": lambda noise: 0 * noise + 0.5,
    "square": lambda noise: noise.sign(),
    "+1": lambda noise: 0 * noise + 1,
    "-1": lambda noise: 0 * noise - 1,
    "whisper": lambda noise: 1e-7 * noise,
    "beyond full scale": lambda noise: 20 * noise,
}


def test_levels(plugin: Plugin) -> None:
    noise = plugin.sounds(0.4, clips=1)
    sounds = torch.cat([level(noise) for level in LEVELS.values()])
    for embeddings in (plugin.scene(sounds), plugin.timestamps(sounds)[0]):
        finite = embeddings.flatten(1).isfinite().all(1)
        assert [name for name, fine in zip(LEVELS, finite, strict=True) if not fine] == []


@pytest.mark.parametrize(
    "sounds",
    [
        torch.tensor([[0.0, float("nan")]]),
        torch.tensor([[0.0, 0.1], [0.0, float("-inf")]]),
        torch.tensor(0.1),
        torch.zeros(1000),
        torch.zeros(1, 1, 1000),
        torch.zeros(1, 1000, dtype=torch.int16),
        torch.zeros(2, 0),
        torch.zeros(0, 1000),
        [[0.0, 0.1]],
    ],
    ids=[
        "NaN",
        "infinity",
        "no axis",
        "one axis",
        "three axes",
        "integers",
        "no samples",
        "no sounds",
        "list",
    ],
)
def test_wrong_audio_is_refused(plugin: Plugin, sounds: Any) -> None:
    for embed in (plugin.scene, plugin.timestamps):
        with pytest.raises(ValueError) as raised:
            embed(sounds)
        assert "audio" in str(raised.value) and "\n" not in str(raised.value)


def test_unknown_options_are_named(plugin: Plugin) -> None:
    with pytest.raises(TypeError, match="hopp_ms"):
        plugin.module.load_model(hopp_ms=50)


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "truncated", "another model's"])
def test_wrong_weights_are_refused(plugin: Plugin, kind: str, tmp_path: Path) -> None:
    if plugin.model.provenance["weights"] == "none":
        pytest.skip("has no weights")
    path = tmp_path / "weights.pth"
    save({"some.weight": torch.ones(3), "features.0.bias": torch.ones(64)}, path)
    if kind == "missing":
        path = tmp_path / "elsewhere.pth"
    elif kind == "folder":
        path = tmp_path
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(WeightsError) as raised:
        plugin.module.load_model(str(path))
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(plugin: Plugin) -> None:
    sounds = plugin.sounds(1.0)
    scene, (frames, times) = plugin.scene(sounds), plugin.timestamps(sounds)
    plugin.model.cuda()
    try:
        there = plugin.scene(sounds.cuda()), *plugin.timestamps(sounds.cuda())
    finally:
        plugin.model.cpu()
    for got, expected in zip(there, (scene, frames, times), strict=True):
        assert got.is_cuda
        assert (got.cpu() - expected).norm() < 1e-3 * expected.norm()


# --- behind `long`, but for one plugin ------------------------------------------------------------


def each(fast: str) -> list[Any]:
    """All plugins, those but `fast` behind `long`."""
    return [
        pytest.param(name, marks=[] if name.endswith(f".{fast}") else pytest.mark.long)
        for name in our_modules()
    ]


# openSMILE is the fast one here because TensorFlow's symbols crashed it.
@pytest.mark.parametrize("name", each(fast="opensmile"))
def test_hear_validator(name: str) -> None:
    if not importlib.util.find_spec("hearvalidator") or not importlib.util.find_spec("tensorflow"):
        pytest.skip("needs hearvalidator and tensorflow-cpu: make setup")
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.argv[1:] = ['{name}', '-d', 'cpu']\n"
        "from hearvalidator.validate import main; main()",
    ]
    environment = os.environ | {RANDOM_VARIABLE: "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    if "pip install" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Looks good!" in done.stdout
    # Its advice is a warning: of times that miss an end, or steps beyond 50 ms.
    assert "Your timestamps" not in done.stderr and "We suggest" not in done.stderr


@pytest.mark.parametrize("name", each(fast="logmel"))
def test_stricter_validator(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RANDOM_VARIABLE, "1")
    checks = list(validate(name, device="cpu"))
    if "pip install" in checks[0].detail:
        pytest.skip(checks[0].detail)
    assert [check for check in checks if not check.ok or check.advice] == []
    assert len(checks) > 5


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_long_sounds_are_embedded_by_themselves(plugin: Plugin) -> None:
    """Long enough for every way of working in parts."""
    sounds = plugin.sounds(35.0, clips=2)
    scene, (frames, _) = plugin.scene(sounds), plugin.timestamps(sounds)
    for i in range(2):
        assert_same(plugin.scene(sounds[i : i + 1])[0], scene[i])
        assert_same(plugin.timestamps(sounds[i : i + 1])[0][0], frames[i])


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", our_modules())
def test_an_hour_in_bounded_memory(name: str) -> None:
    code = f"""
import resource, torch, {name} as module
model = module.load_model()
noise = torch.rand(1, 3600 * model.sample_rate) - 0.5
assert module.get_scene_embeddings(noise, model).isfinite().all()
frames, times = module.get_timestamp_embeddings(noise, model)
assert frames.isfinite().all() and abs(times[0, -1] - 3_600_000) <= 50
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    environment = os.environ | {RANDOM_VARIABLE: "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    if b"pip install" in done.stderr:
        pytest.skip(done.stderr.decode().splitlines()[-1])
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert int(done.stdout) < 8e6  # kilobytes
