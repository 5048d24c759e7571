"""mypy in a fork of a process that has read the cached modules of libraries already.

An incremental run spends half of its time on reading the same 1,400 modules again. `Libraries`
reads them once; `check` adds a service's own modules to them. What is stale and what is wrong is
left to mypy's own `load_graph` and `process_graph`, and the cache on disk is that of plain runs:
a plain run after this one finds nothing left to do (see test_preloaded_mypy.py). Delete it when plain mypy, or a
checker as strict, is as quick: nothing but the seconds changes.
"""

import gc
import sys
from pathlib import Path

from mypy import build, defaults, main, modulefinder, typestate, util
from mypy.errors import CompileError, Errors
from mypy.fscache import FileSystemCache
from mypy.version import __version__

# What differs from folder to folder, and changes nothing about a library.
OF_THE_FOLDER = {"config_file", "exclude", "files", "mypy_path"}


class Run:
    """What `mypy` sets up in the current folder before it looks at any module."""

    def __init__(self, arguments: list[str]) -> None:
        sys.setrecursionlimit(defaults.RECURSION_LIMIT)
        self.messages: list[str] = []
        files = FileSystemCache()
        out, err = sys.stdout, sys.stderr
        self.sources, self.options = main.process_options(
            arguments, stdout=out, stderr=err, fscache=files
        )
        folder = build.default_data_dir()
        errors = Errors(self.options, read_source=lambda path: util.read_py_file(path, files.read))
        plugin, snapshot = build.load_plugins(self.options, errors, out, [])
        self.options.process_error_codes(error_callback=build.build_error)
        self.manager = build.BuildManager(
            folder,
            modulefinder.compute_search_paths(self.sources, self.options, folder, None),
            ignore_prefix=str(Path.cwd()),
            source_set=modulefinder.BuildSourceSet(self.sources),
            reports=None,
            options=self.options,
            version_id=__version__,
            plugin=plugin,
            plugins_snapshot=snapshot,
            errors=errors,
            flush_errors=lambda _file, messages, _serious: self.messages.extend(messages),
            fscache=files,
            stdout=out,
            stderr=err,
        )
        typestate.reset_global_state()

    def settings(self) -> dict[str, object]:
        """Return the options, without those that differ from folder to folder."""
        found = self.options.snapshot()
        return {name: found[name] for name in found.keys() - OF_THE_FOLDER}


class Libraries:
    """The modules that the service in the current folder imports, from the cache."""

    def __init__(self, arguments: list[str]) -> None:
        run = Run(arguments)
        self.manager = run.manager
        self.settings = run.settings()
        gc.disable()  # as mypy does while it loads
        self.graph = build.load_graph(run.sources, self.manager)
        folder = str(Path.cwd())
        own = [name for name, each in self.graph.items() if (each.abspath or "").startswith(folder)]
        for name in own:
            del self.graph[name]
            self.manager.modules.pop(name, None)
        for cycle in build.sorted_components(self.graph):
            build.process_fresh_modules(self.graph, sorted(cycle.mod_ids), self.manager)
        gc.enable()
        tops = {name.partition(".")[0] for name in own}
        if looking := [
            name
            for name, each in self.graph.items()
            if not set(own).isdisjoint(each.dependencies)
            or tops & {other.partition(".")[0] for other in each.suppressed}
        ]:
            message = f"{looking} would take modules of the service for their own dependencies"
            raise ValueError(message)

    def lend(self, run: Run) -> None:
        """Start a run with these modules; only one run can, so it must be in a fork."""
        run.manager.modules.update(self.manager.modules)
        run.manager.import_options.update(self.manager.import_options)
        for state in self.graph.values():
            state.manager = run.manager
            for name in state.suppressed:
                if name in self.manager.missing_modules:
                    run.manager.missing_modules[name] = self.manager.missing_modules[name]


def check(arguments: list[str], libraries: Libraries | None) -> int:
    """Check the service in the current folder, and return the status that mypy would exit with."""
    run = Run(arguments)
    if libraries is None or libraries.settings != run.settings():
        return plainly(arguments)
    libraries.lend(run)
    blocked = False
    try:
        build_on(libraries, run)
    except CompileError as error:
        run.messages += error.messages
        blocked = True
    finally:
        run.manager.commit()
    errors, _, files = util.count_stats(run.messages)
    print(*run.messages, sep="\n")
    print(f"{errors} errors in {files} files, of {len(run.sources)} files checked")
    return 2 if blocked else int(errors > 0)


def plainly(arguments: list[str]) -> int:
    """Run mypy unchanged."""
    try:
        main.main(args=arguments, stdout=sys.stdout, stderr=sys.stderr)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def build_on(libraries: Libraries, run: Run) -> None:
    """Do what mypy's `dispatch` does, with a graph that is not empty at first."""
    manager = run.manager
    gc.set_threshold(200_000, 30, 30)  # as mypy does
    gc.disable()
    graph = build.load_graph(run.sources, manager, libraries.graph)
    gc.enable()
    forget_what_is_not_imported(graph, run)
    for name, state in graph.items():
        manager.import_map[name] = state.dependencies_set
        run.options.clone_for_module(name)  # which also notes what sections of options are used

    # Cycles are numbered as they are found, and found in the same order the second time.
    first = build.SCC.id_counter
    found = build.sorted_components(graph)
    build.SCC.id_counter = first
    manager.done_sccs |= {each.id for each in found if each.mod_ids <= manager.modules.keys()}

    build.process_graph(graph, manager)
    build.write_plugins_snapshot(manager)
    build.warn_unused_configs(run.options, manager.flush_errors)


def forget_what_is_not_imported(graph: build.Graph, run: Run) -> None:
    """Remove modules of libraries that this service, unlike the other, does not bring in."""

    def direct(state: build.State) -> set[str]:
        return {
            name for name in state.dependencies if state.priorities.get(name) != build.PRI_INDIRECT
        }.union(state.ancestors or ())

    reached: set[str] = set()
    waiting = {source.module for source in run.sources}
    while waiting:
        reached |= waiting
        waiting = {name for each in waiting & graph.keys() for name in direct(graph[each])}
        waiting -= reached
    for name in graph.keys() - reached:
        del graph[name]
        run.manager.modules.pop(name, None)
    for state in graph.values():
        for name in [name for name in state.dependencies if name not in graph]:
            state.suppress_dependency(name)  # as `load_graph` does with indirect ones
