"""Run dspy's own tests of PythonInterpreter on `keelback.dspy.PythonInterpreter`.

    python tests/dspy/run_dspy_suite.py PATH/test_python_interpreter.py [PYTEST_ARGUMENT...]

The file is dspy's `tests/primitives/test_python_interpreter.py` and not part of this repository; dspy and pytest must be
installed. Tests of what is not there (Deno, its cache, its protocol, Pyodide's `js`) are deselected by name, each with
its reason.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python"), str(Path(__file__).parent)]

import pytest  # noqa: E402

_COMMAND = "Deno's command line and version"
_CACHE = "Deno's cache"
_PROTOCOL = "the protocol spoken with Deno"
_JS = "Pyodide's js module"
_SOURCE = "private: variables as source text or files; here they cross as values"

LEFT_OUT = {
    "test_custom_deno_command_preserves_environment": _COMMAND,
    "test_deno_subprocess_env_disables_package_json": _COMMAND,
    "test_managed_deno_package_is_preferred": _COMMAND,
    "test_missing_managed_deno_binary_falls_back_to_path": _COMMAND,
    "test_default_command_uses_managed_deno_for_info_and_run": _COMMAND,
    "test_accepts_supported_deno_2_versions": _COMMAND,
    "test_rejects_unsupported_system_deno": _COMMAND,
    "test_rejects_invalid_deno_version_probe": _COMMAND,
    "test_deno_version_probe_is_bounded_and_not_cached": _COMMAND,
    "test_deno_version_probe_timeout_is_reported_as_indeterminate": _COMMAND,
    "test_ignores_parent_package_json_and_node_modules": _COMMAND,
    "test_enable_read_paths_symlink": _COMMAND + " (--allow-read); tests/dspy/test_dspy.py has links",
    "test_default_runner_cannot_read_shared_deno_cache": _CACHE,
    "test_default_runner_starts_offline_from_warm_shared_cache": _CACHE,
    "test_default_command_revokes_shared_cache_after_startup": _CACHE,
    "test_rejects_write_paths_overlapping_runtime_files": _CACHE,
    "test_deno_info_probe_is_bounded": _CACHE,
    "test_explicit_deno_dir_skips_info_query": _CACHE,
    "test_process_death_ends_stateful_session": _PROTOCOL + "; tests/dspy/test_dspy.py has a lost session",
    "test_protocol_failure_ends_session": _PROTOCOL,
    "test_request_ids_are_128_bit_random_values": _PROTOCOL,
    "test_failed_health_check_ends_session": _PROTOCOL,
    "test_out_of_band_messages_are_skipped_not_consumed_as_responses": _PROTOCOL,
    "test_id_less_protocol_errors_are_terminal": _PROTOCOL,
    "test_unsolicited_error_line_is_not_consumed_as_the_response": _PROTOCOL,
    "test_enable_net_flag": _JS + ", and the internet",
    "test_interpreter_security_filesystem_access": _JS,
    "test_guest_prototype_hook_cannot_redirect_tool_wrapper": _JS,
    "test_pydantic_json_values_are_compatible_with_large_variable_injection": _SOURCE,
    "test_json_mode_values_cross_every_host_to_sandbox_path": _SOURCE,
    "test_json_mode_coercion_preserves_existing_fallbacks": _SOURCE,
    "test_small_variable_not_using_filesystem": _SOURCE,
    "test_large_variable_threshold_boundary": _SOURCE,
}


class Suite:
    """What dspy's conftest gives its tests, and the choice of tests."""

    def pytest_configure(self, config):
        config.addinivalue_line("markers", "deno: dspy's mark for tests that run code")

    def pytest_collection_modifyitems(self, config, items):
        left_out = [item for item in items if item.originalname in LEFT_OUT]
        items[:] = [item for item in items if item.originalname not in LEFT_OUT]
        config.hook.pytest_deselected(items=left_out)
        print()
        for name in dict.fromkeys(item.originalname for item in left_out):
            print(f"left out: {name}: {LEFT_OUT[name]}")

    @pytest.fixture
    def pooled_interpreter(self):
        from keelback.dspy import PythonInterpreter

        with PythonInterpreter() as interpreter:
            yield interpreter

    @pytest.fixture
    def configure_pooled_interpreter(self, pooled_interpreter):
        def configure(tools=None, output_fields=None):
            pooled_interpreter.tools.update(tools or {})
            pooled_interpreter.output_fields = output_fields
            pooled_interpreter._tools_registered = False
            return pooled_interpreter

        return configure


def main(path, *arguments):
    import dspy
    import dspy.primitives.python_interpreter as original
    import keelback.dspy

    original.PythonInterpreter = dspy.PythonInterpreter = keelback.dspy.PythonInterpreter
    print(f"dspy {dspy.__version__}, keelback")
    options = ["-p", "no:cacheprovider", "--rootdir", str(Path(path).parent), "-c", "/dev/null", "-rf"]
    return pytest.main([*options, path, *arguments], plugins=[Suite()])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
