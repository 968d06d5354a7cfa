"""Names and groups of devices."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from edgeq.devices import inventory
from edgeq.devices.address import parse_address
from edgeq.devices.registry import open_device
from edgeq.errors import EdgeqError, UsageError


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_names_and_groups():
    inventory.add("pi4", "ssh://pi@10.0.0.7?threads=2")
    inventory.add("phone", "adb:R58M")
    inventory.set_group("lab", ["pi4", "phone", "local", "pi4"])
    assert inventory.resolve("pi4") == "ssh://pi@10.0.0.7?threads=2"
    assert inventory.members("lab") == [
        ("pi4", "ssh://pi@10.0.0.7?threads=2"),
        ("phone", "adb:R58M"),
        ("local", "local"),
    ]
    inventory.remove("pi4")
    assert [name for name, _ in inventory.members("lab")] == ["phone", "local"]
    inventory.set_group("lab", [])
    assert inventory.read_inventory().groups == {}


def test_files_of_an_address_are_the_same_from_every_folder(tmp_path, monkeypatch):
    (folder := tmp_path / "a+b ü").mkdir()
    (folder / "lab config").write_text("")
    monkeypatch.chdir(folder)
    inventory.add("pi", "ssh://pi@h?threads=2&config=lab config&program=benchmark_model&cpu=1")
    monkeypatch.chdir(tmp_path)
    query = parse_address(inventory.resolve("pi")).query
    assert query == {
        "threads": "2",
        "config": str(folder / "lab config"),
        "program": "benchmark_model",  # none of that name is here
        "cpu": "1",
    }


def test_a_name_in_a_group_may_have_options():
    """As everywhere else; it was said that there is no device of that name."""
    inventory.add("pi4", "ssh://pi@10.0.0.7?threads=2")
    inventory.set_group("lab", ["pi4?runtime=c", "pi4"])
    assert inventory.members("lab") == [
        ("pi4?runtime=c", "ssh://pi@10.0.0.7?threads=2&runtime=c"),
        ("pi4", "ssh://pi@10.0.0.7?threads=2"),
    ]
    inventory.remove("pi4")
    assert inventory.read_inventory().groups == {}


def test_a_name_is_an_address():
    inventory.add("here", "local")
    assert open_device("here").address == "local"


@pytest.mark.parametrize("name", ["", "a b", "ssh", "x\n", "ä/b", "../x"])
def test_what_cannot_be_a_name(name):
    with pytest.raises(UsageError):
        inventory.add(name, "local")


@pytest.mark.parametrize("address", ["ssh://u@h?config=/a b/\"c'", "ssh://u@h?dir=/ünï/\\x"])
def test_odd_addresses_survive_the_file(address):
    inventory.add("odd", address)
    assert inventory.resolve("odd") == address


def test_the_file_is_its_owners(tmp_path):
    """What a user lets others read stays readable by them."""
    inventory.add("a", "local")
    assert stat.S_IMODE(inventory.path().stat().st_mode) == 0o600
    inventory.path().chmod(0o640)
    inventory.add("b", "local")
    assert stat.S_IMODE(inventory.path().stat().st_mode) == 0o640


@pytest.mark.parametrize(
    "line",
    ['[devices.lab]\naddress = "ssh://pi:secret@h"', '[groups]\nlab = ["ssh://pi:secret@h"]'],
)
@pytest.mark.parametrize(("mode", "seen"), [(0o644, True), (0o640, True), (0o600, False)])
def test_a_password_written_by_hand_is_refused_and_not_shown(line, mode, seen, cli):
    inventory.path().parent.mkdir()
    inventory.path().write_text(f'[devices.good]\naddress = "local"\n{line}\n')
    inventory.path().chmod(mode)
    for arguments in (("devices", "list"), ("devices", "list", "--json")):
        done = cli(*arguments)
        assert done.code == 1 and "holds a password, under 'lab'" in done.err
        assert "secret" not in done.out + done.err
        assert ("other users of this machine can read it" in done.err) == seen
        assert ("change it on the device" in done.err.replace("\n", " ")) == seen


def test_mistakes_are_said():
    with pytest.raises(EdgeqError, match="no device 'nix'"):
        inventory.resolve("nix")
    with pytest.raises(EdgeqError, match="no group 'nix'"):
        inventory.members("nix")
    with pytest.raises(UsageError, match="itself a name"):
        inventory.add("a", "b")
    inventory.add("a", "local")
    with pytest.raises(EdgeqError, match="already local"):
        inventory.add("a", "c")


def test_a_group_without_devices_measures_nothing(cli):
    inventory.path().parent.mkdir(parents=True)
    inventory.path().write_text("[groups]\nempty = []\n")
    for command in (["profile", "any.tflite", "--on"], ["devices", "probe"]):
        done = cli(*command, "group:empty")
        assert done.code == 1
        assert "The group 'empty' has no devices" in done.err


@pytest.mark.parametrize(
    "text",
    [
        "[devices",
        "devices = 3",
        "[devices.a]\nx = 1",
        "groups = [1]",
        '[groups]\nlab = "pi4"',
        '[groups.g]\naddress = "c"',
    ],
)
def test_a_damaged_file(text):
    inventory.path().parent.mkdir(parents=True)
    inventory.path().write_text(text)
    with pytest.raises(EdgeqError, match=r"cannot be read|no TOML"):
        inventory.read_inventory()


def test_the_commands(cli):
    assert cli("devices", "add", "pi4", "ssh://pi@10.0.0.7", "--group", "lab").code == 0
    listed = cli("devices", "list", "--json").json["devices"]
    assert listed == [{"name": "pi4", "address": "ssh://pi@10.0.0.7", "groups": ["lab"]}]
    assert "lab: pi4" in cli("devices", "groups").out
    made = cli("devices", "groups", "desk", "pi4", "--json")
    assert made.json == {"groups": {"desk": ["pi4"]}}
    assert cli("devices", "groups", "lab", "--remove").code == 0
    assert cli("devices", "groups", "lab", "--remove").code == 1
    assert cli("devices", "remove", "pi4").code == 0
    assert cli("devices", "remove", "pi4").code == 1
    assert cli("devices", "probe", "local").code == 2
    assert cli("devices", "trust", "local").code == 2


@pytest.mark.parametrize(
    "address", ["ssh://a\\nb", "ssh://\\u001b[2J", "ssh://\\u202e", "x" * 2000]
)
def test_text_that_would_steer_a_terminal_is_refused(address):
    inventory.path().parent.mkdir(parents=True)
    inventory.path().write_text(f'[devices.a]\naddress = "{address}"')
    with pytest.raises(EdgeqError, match="cannot be read"):
        inventory.read_inventory()


LONG = "y" * 1001


@pytest.mark.parametrize(
    "words",
    [
        ("add", LONG, "local"),
        ("add", "pi", f"ssh://{LONG}"),
        ("add", "pi", "local", "--group", LONG),
        ("add", "pi", "local", "--group", "a b"),
        ("groups", LONG, "one"),
        ("groups", "lab", f"ssh://{LONG}"),
        ("groups", "lab", *(f"ssh://{k:0>900}" for k in range(1200))),
        ("add", "pi", "ssh://root:secret@pi"),
        ("add", "pi", "ssh://root%3Asecret@pi"),
        ("groups", "lab", "ssh://root:secret@pi"),
    ],
    ids=[
        "name",
        "address",
        "group",
        "odd-group",
        "new-group",
        "member",
        "megabyte",
        "password",
        "password spelled out",
        "member with a password",
    ],
)
def test_what_could_not_be_read_again_is_not_written(words, cli):
    inventory.add("one", "local")
    before = inventory.path().read_bytes()
    done = cli("devices", *words)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert "secret" not in done.err + done.out
    assert inventory.path().read_bytes() == before
    assert cli("devices", "list").code == 0


def test_a_device_in_groups_twice_is_there_once(cli):
    for _ in range(2):
        assert cli("devices", "add", "pi", "local", "--group", "a", "--group", "b").code == 0
    assert inventory.read_inventory().groups == {"a": ("pi",), "b": ("pi",)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("devices = 3", "'devices' is a whole number, and must be a table"),
        ("[[devices]]\nname = 'pi'", "'devices' is a list, and must be a table"),
        ("groups = false", "'groups' is true or false, and must be a table"),
        ("devices.pi = 'local'", "the device 'pi' is a text, and must be a table"),
        ("[devices.pi]\n", "the device 'pi' has no address"),
        ("devices.pi.address = 3", "3 is not a text of one line"),
        ("groups.lab = 'pi'", "the group 'lab' is a text, and must be a list of names"),
        ("[device.pi]\naddress = 'local'", r"no table \[device\]"),
    ],
)
def test_a_file_of_another_form_is_refused_in_its_users_words(text, said):
    inventory.path().parent.mkdir()
    inventory.path().write_text(text)
    with pytest.raises(EdgeqError, match=f"cannot be read.*{said}") as refused:
        inventory.read_inventory()
    assert "[devices.NAME]" in refused.value.hint and refused.value.where.endswith("devices.toml")
    with pytest.raises(EdgeqError):
        inventory.add("more", "local")
    assert inventory.path().read_text() == text


def test_of_many_commands_at_once_none_is_lost():
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: inventory.add(f"pi{i}", f"ssh://pi@10.0.0.{i}", ["lab"]), range(8)))
    assert len(inventory.read_inventory().devices) == len(inventory.members("lab")) == 8
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: inventory.remove(f"pi{i}"), range(8)))
    assert inventory.read_inventory() == inventory.Inventory()
    assert [file.name for file in inventory.path().parent.iterdir()] == ["devices.toml"]


OWN = """\
# the lab, 3rd floor: key at the porter
[devices.pi]
address="ssh://pi@10.0.0.9" # broken fan

# on loan
[devices."old"]
address = 'local'

[groups]
# weekdays
lab = [
  "pi",  # first
  "old",
]
night = ["old"]  # only
"""


@pytest.mark.parametrize("link", [False, True])
def test_the_users_own_lines_stay(tmp_path, link):
    """Every command wrote the file anew: comments were gone, and a link became a file."""
    inventory.path().parent.mkdir()
    real = tmp_path / "dotfiles.toml" if link else inventory.path()
    real.write_text(OWN)
    if link:
        inventory.path().symlink_to(real)
    inventory.add("x", "ssh://a@b")
    new = '[devices.x]\naddress = "ssh://a@b"\n'
    assert real.read_text() == OWN.replace("[groups]", new + "[groups]")
    inventory.add("y", "local", ["night"])
    assert real.read_text() == OWN.replace(
        "[groups]", new + '\n[devices.y]\naddress = "local"\n[groups]'
    ).replace('["old"]', '["old", "y"]')
    inventory.remove("y")
    inventory.remove("x")
    assert real.read_text() == OWN
    inventory.remove("pi")
    left = real.read_text()
    assert "# the lab" in left and "# on loan" in left and "10.0.0.9" not in left
    assert inventory.members("lab") == [("old", "local")]
    inventory.set_group("new", ["old"])
    inventory.set_group("night", [])
    assert set(inventory.read_inventory().groups) == {"lab", "new"}
    assert "# weekdays" in real.read_text()
    assert inventory.path().is_symlink() == link


@pytest.mark.parametrize(
    ("text", "then"),
    [
        (
            "devices = { pi = { address = 'local' } }  # mine\n",
            "devices = { pi = { address = 'local' }, x = {address = \"local\"}}  # mine\n",
        ),
        (
            "devices.pi.address = 'local'  # mine\n",
            "devices.pi.address = 'local'  # mine\n\n[devices.x]\naddress = \"local\"\n",
        ),
        (
            "[devices.pi]\naddress = 'local'\nnote = 'attic'\n",
            "[devices.pi]\naddress = 'local'\nnote = 'attic'\n\n[devices.x]\naddress = \"local\"\n",
        ),
    ],
)
def test_any_form_of_table_takes_another_device(text, then):
    inventory.path().parent.mkdir()
    inventory.path().write_text(text)
    inventory.add("x", "local")
    assert inventory.path().read_text() == then
    assert set(inventory.read_inventory().devices) == {"pi", "x"}
