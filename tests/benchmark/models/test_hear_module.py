"""Loading any HEAR module: keys follow content, outputs are checked, mistakes get one line."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tiny_hear
import torch

from benchmark.errors import UserError, one_line
from benchmark.models.calling import call, check_output
from benchmark.models.conformance import check_before_run
from benchmark.models.discovery import our_modules
from benchmark.models.hear_module import ModelSpec, load_model, parse_options
from benchmark.models.library_messages import messages_of_libraries
from benchmark.models.process_state import ProcessState

pytestmark = pytest.mark.filterwarnings("ignore:nothing the user can act on")
SOURCE = Path(tiny_hear.__file__).read_text()


def module(folder: Path, name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> str:
    (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def fails(spec: ModelSpec, *parts: str) -> None:
    with pytest.raises(UserError) as raised:
        load_model(spec)
    assert "\n" not in str(raised.value)
    for part in parts:
        assert part in str(raised.value)


def test_loaded_model_knows_what_the_runner_asks() -> None:
    model = load_model(ModelSpec("tiny_hear", options={"rate": 8000, "size": 5}))
    assert (model.name, model.sample_rate) == ("tiny_hear", 8000)
    assert (model.embedding_size("scene"), model.embedding_size("event")) == (5, 5)
    assert re.fullmatch(r"tiny_hear-[0-9a-f]{8}", model.identity.folder)
    assert model.provenance["weights"] == "unknown" and not model.random_weights


def test_key_follows_options_weights_and_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(source: str = SOURCE, **options: object) -> str:
        sys.modules.pop("keyed", None)
        return load_model(
            ModelSpec(module(tmp_path, "keyed", source, monkeypatch), "", options)
        ).identity.key

    assert key() == key()
    changed = {
        key(),
        key(fault="none"),
        key(SOURCE + "\nedited = 1\n"),
        key(SOURCE.replace("manual_seed(size)", "manual_seed(size + 1)")),
    }
    assert len(changed) == 4


def test_key_follows_the_tensors_not_their_place() -> None:
    class Given(torch.nn.Module):
        sample_rate = scene_embedding_size = timestamp_embedding_size = 1

    def key(value: float, dtype: torch.dtype = torch.float32) -> str:
        model = Given()
        model.register_buffer("x", torch.full((2,), value, dtype=dtype))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tiny_hear, "load_model", lambda: model)
            return load_model(ModelSpec("tiny_hear")).identity.key

    assert key(1.0) == key(1.0)
    assert len({key(1.0), key(2.0), key(1.0, torch.bfloat16), key(1.0, torch.int64)}) == 4


def test_random_weights_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_hear.Tiny(16000, 3, "", 0, 1)
    model.provenance = {"weights": "random", "random_weights": 7}
    monkeypatch.setattr(tiny_hear, "load_model", lambda: model)
    loaded = load_model(ModelSpec("tiny_hear"))
    assert loaded.random_weights and loaded.provenance["random_weights"] == 7


def test_our_modules_are_found_without_importing_them() -> None:
    before = {name for name in sys.modules if name.startswith("hear_plugins.")}
    ours = our_modules()
    assert {"hear_plugins.crepe", "hear_plugins.opensmile"} <= set(ours)
    assert not {
        "hear_plugins.api.framing",
        "hear_plugins.weights.loading",
        "hear_plugins.networks",
    } & set(ours)
    assert {name for name in sys.modules if name.startswith("hear_plugins.")} == before


@pytest.mark.parametrize(
    "name", ["crepe", "hear_plugins.creppe", "hear_plugin.crepe", "hear_plugins.Crepe"]
)
def test_unknown_module_gets_near_names(name: str) -> None:
    fails(ModelSpec(name), repr(name), "did you mean", "hear_plugins.crepe")


def test_unknown_module_without_near_names_gets_ours() -> None:
    fails(ModelSpec("qqqqqqqq.zzzzz"), "no module 'qqqqqqqq.zzzzz'", "hear_plugins.crepe")


def test_mistakes_of_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spec(source: str, options: dict[str, object] | None = None) -> ModelSpec:
        sys.modules.pop("wrong", None)
        return ModelSpec(module(tmp_path, "wrong", source, monkeypatch), options=options or {})

    fails(spec("import nowhere_to_be_found"), "wrong needs the package 'nowhere_to_be_found'")
    fails(spec("1 / 0"), "wrong cannot be imported: ZeroDivisionError: division by zero")
    fails(spec(SOURCE.replace("get_scene_emb", "get_scen_emb")), "no function get_scene_embeddings")
    fails(spec(SOURCE.replace("return Tiny", "return list")), "wrong does not load: TypeError")
    fails(spec(SOURCE.replace("return Tiny", "return dict; Tiny")), "type, expected a torch.nn")
    no_rate = SOURCE.replace("self.sample_rate = rate", "self.sample_rate = '16k'")
    fails(spec(no_rate), "model.sample_rate is '16k', expected a positive integer")
    fails(spec(SOURCE, {"hop": 50}), "wrong.load_model", "'hop'", "its options are: rate, size")
    fails(spec(SOURCE, {"size": "x"}), "wrong does not load: ")
    broken = SOURCE.replace(
        "    return Tiny", '    raise RuntimeError("cut\\n  short")\n    return Tiny'
    )
    fails(spec(broken), "wrong does not load: cut short")


def test_weights_file_is_passed_on_and_must_be_there(tmp_path: Path) -> None:
    fails(ModelSpec("tiny_hear", str(tmp_path / "none.pt")), "no weights file", "none.pt")
    (tmp_path / "some.pt").touch()
    model = load_model(ModelSpec("tiny_hear", str(tmp_path / "some.pt")))
    assert model.provenance["file"] == "some.pt"


def test_device_that_is_not_there() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(UserError, match="tiny_hear does not load"):
        load_model(ModelSpec("tiny_hear"), "cuda")


def test_options_are_json() -> None:
    assert parse_options('{"hop_ms": 25}') == {"hop_ms": 25}
    for text in ("{hop_ms: 25}", "[1]", ""):
        with pytest.raises(UserError, match="model options"):
            parse_options(text)


@pytest.mark.parametrize("kind", ["scene", "event"])
def test_outputs_are_checked(kind: str) -> None:
    audio = np.random.default_rng(0).random((2, 8000), np.float32)
    model = load_model(ModelSpec("tiny_hear"))
    check_before_run(model, kind)
    embeddings, timestamps = check_output(model, kind, 2, call(model, kind, audio.copy()))
    assert embeddings.shape == ((2, 3) if kind == "scene" else (2, 10, 3))
    assert (timestamps is None) == (kind == "scene")
    faults = {"nan": "NaN or infinite", "shape": ", 2), expected", "dtype": "float64 embeddings"}
    if kind == "event":
        faults["timestamps"] = "timestamps that do not ascend"
    for fault, message in {**faults, "kind": "a list, expected a tensor"}.items():
        with pytest.raises(UserError) as raised:
            check_before_run(
                load_model(ModelSpec("tiny_hear", options={"fault": fault, "after": 0})), kind
            )
        assert message in str(raised.value)


def test_tensorflow_models_are_called_with_their_own_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Variable:
        name = "w"

        def numpy(self) -> np.ndarray:
            return np.ones(3, np.float32)

    base = type("Module", (), {"__module__": "tensorflow.python.module"})
    stub = type(sys)("tensorflow")
    stub.Module, stub.Variable = base, Variable  # type: ignore[attr-defined]
    stub.convert_to_tensor = torch.from_numpy  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorflow", stub)
    source = re.sub("return Tiny.*", "return Flow()", SOURCE) + (
        "\nimport tensorflow\nclass Flow(tensorflow.Module):\n"
        "    variables = [tensorflow.Variable()]\n"
        "    sample_rate, scene_embedding_size, timestamp_embedding_size = 16000, 1, 1\n"
        "    def __init__(self, *_): pass\n"
        "def get_scene_embeddings(audio, model): return audio[:, :1]\n"
    )
    model = load_model(ModelSpec(module(tmp_path, "flow", source, monkeypatch)))
    assert "state_sha256" in model.provenance
    check_before_run(model, "scene")


def test_one_line_names_the_kind_only_where_the_text_is_vague() -> None:
    assert one_line(ValueError("a\n b")) == "a b"
    assert one_line(KeyError("x")) == "KeyError: 'x'"
    assert one_line(RuntimeError()) == "RuntimeError"


def test_what_libraries_say_about_the_weights_is_told() -> None:
    told: list[str] = []
    load_model(ModelSpec("tiny_hear", options={"fault": "weights"}), remark=told.append)
    (line,) = told
    assert line.startswith(
        "tiny_hear: Some weights of Net were not initialized from the checkpoint"
    )


def test_messages_of_libraries_are_chosen(recwarn: pytest.WarningsRecorder) -> None:
    told: list[str] = []
    with messages_of_libraries(told.append):
        for text in ("cast to float16", "cast to float16", "a new version is out"):
            warnings.warn(text, stacklevel=1)
        warnings.warn("weight_norm is deprecated", FutureWarning, stacklevel=1)
        logger = logging.getLogger("quiet.library")
        logger.propagate = False
        logger.info("5 weights loaded")
        logger.warning("Some weights were not used when initializing Net: ['head.bias']")
    assert told == [
        "cast to float16",
        "Some weights were not used when initializing Net: ['head.bias']",
    ]
    assert len(recwarn) == 0


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("dtype for all", "the default dtype (torch.float32 to torch.float64)"),
        ("precision", "the float32 matmul precision (highest to medium)"),
        ("chdir", "the current folder"),
    ],
)
def test_what_a_call_changes_for_all_is_taken_back_and_told(fault: str, named: str) -> None:
    told: list[str] = []
    options = {"fault": fault, "after": 1}
    model = load_model(ModelSpec("tiny_hear", options=options), remark=told.append)
    before = ProcessState.now()
    audio = np.zeros((1, 16000), np.float32)
    for _ in range(3):
        call(model, "scene", audio)
    assert ProcessState.now() == before
    assert len(set(told)) == len(told), "each is told once"
    assert any(line.startswith("tiny_hear changes") and named in line for line in told)


def test_tf32_is_off_unless_it_is_asked_for() -> None:
    before = ProcessState.now()
    try:
        plain, fast = (load_model(ModelSpec("tiny_hear", tf32=tf32)) for tf32 in (False, True))
        assert torch.backends.cudnn.allow_tf32 and torch.backends.cuda.matmul.allow_tf32
        assert plain.spec.all_options == {} and fast.spec.all_options == {"--tf32": True}
        assert plain.identity.device == "cpu" and not fast.identity.tf32, "a CPU has none"
        load_model(ModelSpec("tiny_hear"))
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
    finally:
        before.restore()
