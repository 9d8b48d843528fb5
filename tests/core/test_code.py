from ostinato.core import code


def test_all_that_a_module_imports_is_found_and_nothing_else():
    found = code.files_of(["ostinato.notes.memory.transformer"])
    assert {"ostinato.notes.memory", "ostinato.notes", "ostinato.core.schema"} <= set(found)
    assert "ostinato.notes.memory.capsules" not in found
    assert not [name for name in found if name.startswith("ostinato.notes.samplers")]
    assert all(path.exists() for path in found.values())


def test_an_imported_name_leads_to_the_module_that_holds_it(tmp_path):
    path = tmp_path / "some.py"
    path.write_text(
        "import numpy\n"
        "import ostinato.core.seeds\n"
        "from ostinato.core import files, noise\n"
        "from ostinato.core.errors import UserError\n"
        "def late():\n"
        "    from ostinato.notes.memory import clock\n"
    )
    assert code.imports_of(path) == {
        "ostinato.core.seeds",
        "ostinato.core.files",
        "ostinato.core.noise",
        "ostinato.core.errors",
        "ostinato.notes.memory",
    }
