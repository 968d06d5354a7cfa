from edgeq.analysis import doctor


def test_what_is_missing_comes_with_its_install_command():
    tool = doctor.Tool("no-such-program-here", "program", "nothing", "apt install it")
    (finding,) = doctor.check_installation([tool])
    assert not finding.found
    assert finding.install == "apt install it"


def test_the_command_lists_every_tool(cli):
    done = cli("doctor", "--json")
    assert done.code == 0
    assert {tool["name"] for tool in done.json["tools"]} == {tool.name for tool in doctor.TOOLS}
    numpy = next(tool for tool in done.json["tools"] if tool["name"] == "numpy")
    assert numpy["found"]
    assert numpy["version"]
