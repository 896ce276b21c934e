"""Settings: the published values, and messages for what is misspelt."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

import gcsa.config
from gcsa.config import load_config, save_config
from gcsa.errors import InputError, MissingFileError
from gcsa.models.csa import CSAConfig
from gcsa.places.calibration import read_calibration

CONFIGS = Path(__file__).parents[1] / "configs"

# batch, workers, input, proj, output, K, L, layers, heads, kinds, input and attention dropout,
# radio dropout, learning rate, weight decay, step, gamma, epochs, frozen
PUBLISHED = {
    "msls_pretrain": (32, 8, 4096, 512, 768, 255, 255, 0, 12, [],
                      0.2, 0.2, 0.0, 1e-4, 0.0, 1, 0.9, 10, False),
    "msls_train": (32, 8, 4096, 512, 768, 319, 127, 1, 12, ["positional-db", "heading"],
                   0.2, 0.2, 0.0, 1e-4, 0.0, 1, 0.9, 5, True),
    "lamar_pretrain": (32, 8, 4096, 512, 512, 255, 255, 0, 12, [],
                       0.2, 0.2, 0.7, 1e-4, 0.0, 1, 0.9, 10, False),
    "lamar_train": (32, 8, 4096, 512, 512, 127, 127, 1, 8, ["positional-db", "radio"],
                    0.7, 0.7, 0.7, 1e-4, 1e-4, 1, 0.9, 10, True),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_values(name):
    c = load_config(CONFIGS / f"{name}.yaml")
    d, m, t = c.data, c.model, c.train
    assert d.dataset == name.split("_")[0]
    assert (
        d.batch_size, d.num_workers, m.input_dim, m.proj_dim, m.output_dim, m.K, m.L,
        m.num_layers, m.num_heads, m.affinity, m.input_dropout, m.attn_dropout, d.radio_dropout,
        t.learning_rate, t.weight_decay, t.lr_step, t.lr_gamma, t.num_epochs, t.freeze_input_proj,
    ) == PUBLISHED[name]  # fmt: skip
    assert (c.fov.radius, c.fov.angle, c.fov.points) == (50 if d.dataset == "msls" else 10, 90, 16)
    # The published loop, without our additions.
    assert t.own_positive and not t.skip_empty and t.init_proj == "random"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_config_loads_and_survives_a_round_trip(path, tmp_path):
    config = load_config(path)
    save_config(config, tmp_path / "c.yaml")
    assert load_config(tmp_path / "c.yaml") == config


def test_every_setting_is_read_somewhere():
    """A setting that nothing reads would be accepted and do nothing."""
    package = Path(gcsa.__file__).parent
    source = "\n".join(path.read_text() for path in package.rglob("*.py"))
    sections = {f.name: f.default_factory for f in fields(gcsa.config.Config)}
    for section, kind in sections.items():
        for setting in (f.name for f in fields(kind)):
            # f"{split}_scenes" reads the three lists; radio_dropout waits for the radio kinds.
            if setting.endswith("_scenes") or setting == "radio_dropout":
                continue
            assert re.search(rf"\.{setting}\b", source), f"{section}.{setting}"


def test_overrides_go_last(tmp_path):
    (tmp_path / "c.yaml").write_text("model: {K: 7}\ntrain: {learning_rate: 1}\n")
    config = load_config(tmp_path / "c.yaml", ["model.K=9", "data.val_scenes=[sf]", "train.seed=3"])
    assert (config.model.K, config.data.val_scenes, config.train.seed) == (9, ["sf"], 3)
    assert config.train.learning_rate == 1.0 and config.model.L == 255


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.num_layrs=1", r"no setting 'model.num_layrs' \(did you mean 'num_layers'\?\)"),
        ("modle.K=1", r"no section 'modle' \(did you mean 'model'\?\)"),
        ("train.lr=1", "no setting 'train.lr'"),
        ("model.K=many", "command line: model.K: Value 'many'.*Integer"),
        (
            "model.affinity=heading",
            r"'heading' is not a list; write model.affinity=\[heading\]$",
        ),
        ("data.train_scenes=cph", r"'cph' is not a list; write data.train_scenes=\[cph\]$"),
        (
            "data.val_scenes='cph, sf'",
            r"'cph, sf' is not .* data.val_scenes=\[cph,sf\]$",
        ),
        ("data.val_scenes=7", r"'7' is not a list; write data.val_scenes=\[7\]$"),
        ("data.val_scenes=null", r"'None' is not a list; write data.val_scenes=\[\]$"),
        ("data.val_scenes=[cph,", r"the value is not YAML \(lists: \[a,b\], without spaces"),
        ("model.K", "expected section.key=value"),
        ("K=3", "expected section.key=value"),
        ("fov.cutoff=publishd", r"fov.cutoff: 'publishd' .*did you mean 'published'"),
        ("data.train_labels=far", r"data.train_labels: 'far' .*choose from cluster, dist, fov"),
        ("train.precision=fp8", "train.precision: 'fp8'"),
        ("data.batch_size=0", "data.batch_size: 0 is less than 1"),
        ("train.learning_rate=.nan", "train.learning_rate: nan is not a finite number above 0"),
        ("train.learning_rate=0", "train.learning_rate: 0.0 is not a finite number above 0"),
        ("data.memory=inf", "data.memory: inf is not a finite number"),
        ("model.num_heads=0", "model.num_heads: 0 is less than 1"),
        ("model.proj_dim=0", "model.proj_dim: 0 is less than 1"),
        ("model.num_layers=-1", "model.num_layers: -1 is less than 0"),
        ("model.input_dropout=1", "model.input_dropout: 1.0 is not a share"),
        ("fov.radius=-1", "fov: radius must be positive metres"),
        ("fov.points=2", "fov: points must be"),
        ("fov.angle=400", "fov.angle: 400 is not between 0 and 360 degrees$"),
        ("fov.angle=360", "fov.angle: 360 is not between 0 and 360 degrees$"),
        ("fov.angle=0", "fov.angle: 0 is not between 0 and 360 degrees$"),
        ("fov.angle=.nan", "fov.angle: nan is not between 0 and 360 degrees$"),
        ("fov.height=-1", "fov.height: -1 is not a number of metres, 0 or more"),
    ],
)
def test_what_is_wrong_is_named(override, message):
    with pytest.raises(InputError, match=message) as caught:
        load_config(None, [override])
    assert "\n" not in str(caught.value)


LITERAL = ["010", "007", "1_1_1", "no", "null", "~", "1.10", "12:30", "1e3", "true", "photos #2",
           "a: b", "=", "0x10", "2024-01-01", ".nan", "*x", "&x", "!x", "%", "it's"]  # fmt: skip


@pytest.mark.parametrize("text", LITERAL)
def test_text_is_taken_literally(text, tmp_path):
    """On the command line, bare or in quotes, and from the file that a run keeps."""
    quote = '"' if "'" in text else "'"
    for given in (text, f"{quote}{text}{quote}"):
        config = load_config(None, [f"data.root={given}", f"data.val_scenes=[{given},x, {given} ]"])
        assert config.data.root == text
        assert config.data.val_scenes == [text, "x", text]
    save_config(config, tmp_path / "c.yaml")
    assert load_config(tmp_path / "c.yaml") == config


def test_text_of_a_file_is_taken_literally(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "data: {root: 010, descriptors: no, val_scenes: [010, 1_1_1, no, null]}\n"
        "train: {checkpoint: null, learning_rate: .5, num_epochs: 010, keep_best: yes}\n"
        "posterior: {objective: 0.50}\n"
    )
    config = load_config(path)
    assert (config.data.root, config.data.descriptors) == ("010", "no")
    assert config.data.val_scenes == ["010", "1_1_1", "no", "null"]
    assert config.train.checkpoint is None and config.train.keep_best is True
    assert (config.train.learning_rate, config.train.num_epochs) == (0.5, 10)
    assert config.posterior.objective == "0.50"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("data.val_scenes=[]", []),
        ("data.val_scenes=[ ]", []),
        ("""data.val_scenes=["a, b",'c]',d e]""", ["a, b", "c]", "d e"]),
        ("data.root=[a]", "[a]"),
        ("data.root=a=b", "a=b"),
        ("data.descriptors=", ""),
        ("train.checkpoint=null", None),
        ("train.checkpoint=", None),
        ("model.K=010", 10),
        ("data.memory=1e1", 10.0),
    ],
)
def test_values_of_the_command_line(override, expected):
    key = override.partition("=")[0]
    section, name = key.split(".")
    assert getattr(getattr(load_config(None, [override]), section), name) == expected


@pytest.mark.parametrize("text", ["${oc.env:HOME}", "a/${data.outputs}", "${", "???"])
def test_nothing_is_filled_in(text, tmp_path):
    """Neither from the command line nor from files, which may be somebody else's."""
    message = re.escape(f"'{text}': expected a plain value, nothing is filled in")
    for key, value in (("root", text), ("val_scenes", f"[x,{text}]")):
        with pytest.raises(InputError, match=f"command line: data.{key}: {message}"):
            load_config(None, [f"data.{key}={value}"])
    (tmp_path / "c.yaml").write_text(f"data: {{root: '{text}'}}")
    with pytest.raises(InputError, match=f"c.yaml: data.root: {message}"):
        load_config(tmp_path / "c.yaml")


def test_a_bare_name_is_the_shipped_file_unless_there_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config("msls_train") == load_config(CONFIGS / "msls_train.yaml")
    Path("msls_train").write_text("model: {K: 7}")
    assert load_config("msls_train").model.K == 7
    for path, message in {
        "msls_trian": r"msls_trian: no such .*, nor a shipped one \(did you mean 'msls_train'\?\)",
        "configs/lamar_train.yaml": r"no such .* \(--conf lamar_train is the shipped one\)",
        "xyz": "choose from .*csa_rsfm120k",
    }.items():
        with pytest.raises(MissingFileError, match=message):
            load_config(path)


@pytest.mark.parametrize(("angle", "least"), [(90, 3), (179, 3), (180, 4), (270, 4), (359, 4)])
def test_points_that_an_angle_needs(angle, least):
    """Neighbours on the arc are angle / (points - 2) apart, which must stay below 180 degrees."""
    assert angle / (least - 2) < 180
    load_config(None, [f"fov.angle={angle}", f"fov.points={least}"])
    if least > 3:
        assert angle / (least - 3) >= 180
        with pytest.raises(InputError, match=f"fov.points: 3 are too few for {angle} degrees, 4"):
            load_config(None, [f"fov.angle={angle}", f"fov.points={least - 1}"])


def test_a_plain_word_for_a_list_in_a_file(tmp_path):
    (tmp_path / "c.yaml").write_text("data: {val_scenes: cph}\n")
    with pytest.raises(InputError, match=r"c.yaml: data.val_scenes: 'cph' is not a list; write"):
        load_config(tmp_path / "c.yaml")


def test_a_wrong_file_is_named(tmp_path):
    path = tmp_path / "c.yaml"
    with pytest.raises(MissingFileError, match="c.yaml: no such config file"):
        load_config(path)
    for text, message in [
        ("model: {K: 7", "c.yaml: .*; expected YAML"),
        ("model: {Kay: 7}", r"c.yaml: no setting 'model.Kay'"),
        ("model: 7", "section 'model' must hold keys"),
        ("model: {K: 7, K: 8}", "'K' twice.*; expected YAML"),
        ("data: {root: !!bool msls}", "bool.*; expected YAML"),
        ("data: {root: !!python/name:os.system x}", "python/name:os.system.*; expected YAML"),
        ("model: [1]", "section 'model' must hold keys, got a list"),
        ("data: {root: [a]}", "c.yaml: data.root: "),
        ("data: {val_scenes: [[a]]}", "data.val_scenes: expected a value or a list of values"),
        ("data: {root: {a: b}}", "data.root: expected a value or a list of values"),
        (
            "- 1",
            "expected the sections data, fov, model, csa, loss, mining, posterior, place, desc",
        ),
    ]:
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            load_config(path)


@pytest.mark.parametrize("name", ["csa_rsfm120k", "csa_augrsfm120k"])
def test_published_values_of_csa(name):
    """Sizes are without the query, the learning rate is that of four GPUs of 64 queries."""
    c = load_config(CONFIGS / f"{name}.yaml")
    m, t = c.model, c.train
    assert (m.input_dim, m.output_dim, m.K, m.L, m.num_layers, m.num_heads) == (
        2048, 768, 512 - 1, 512 - 1, 2, 12)  # fmt: skip
    assert c.csa == CSAConfig(0.1, 0.1, 4, True, 0.2) and m.attn_dropout == 0.1
    assert (t.system, t.loss, c.loss.temperature, t.own_positive, t.skip_empty) == (
        "csa", "contrastive", 2.0, True, False)  # fmt: skip
    assert (t.optimizer, t.momentum, t.weight_decay, t.schedule) == ("sgd", 0.9, 1e-6, "cosine")
    assert (t.learning_rate, t.warmup_lr) == (0.1 * 64 / 256, 0.001 * 64 / 256)
    assert (t.warmup_epochs, t.num_epochs, c.data.batch_size, t.clip_norm) == (20, 100, 256, 0)
    assert (c.data.dataset, c.data.train_labels) == ("rsfm", "cluster")
    assert len(c.data.train_scenes) == (3 if name == "csa_augrsfm120k" else 1)


def test_published_values_of_mining():
    """SARE's: tuples of ten negatives, of a thousand drawn, anew after a thousand queries."""
    c = load_config()
    assert (c.mining.nearest, c.mining.farthest, c.mining.negative) == (1, 10, 25)
    assert (c.mining.draws, c.mining.negatives, c.train.remine) == (1000, 10, 1000)


BOMB = "a0: &a0 {k0: 1}\n" + "".join(
    f"a{n}: &a{n}\n  k{n}: 1\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize("text", ["[" * 200_000, "a: " + "{b: " * 100_000, BOMB])
def test_few_bytes_do_not_take_minutes(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=r"c\.yaml: .*(at most|more than) 1000"):
        load_config(tmp_path / "c.yaml")
    with pytest.raises(InputError, match=r"c\.yaml: .*(at most 1000|'<<' is not read)"):
        read_calibration(tmp_path / "c.yaml")
