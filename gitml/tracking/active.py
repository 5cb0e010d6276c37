"""The run a training program writes to: what ``gitml.start_run`` returns."""

from __future__ import annotations

import inspect
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from gitml import names
from gitml.errors import GitmlError, InputError, NotFoundError
from gitml.tracking import content
from gitml.tracking.capture import now_ms, working_folder
from gitml.tracking.identity import author
from gitml.tracking.inputs import describe_frame, describe_input
from gitml.tracking.references import is_address, parse_reference
from gitml.tracking.sampling import Sampler
from gitml.tracking.values import flat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from gitml.model import Run
    from gitml.registry.values import ModelVersion
    from gitml.tracking.recorder import Recorder

PathLike = str | os.PathLike[str]


class ActiveRun:
    """A run being recorded; as a context manager it ends with the block.

    Everything logged is durable at once, even against ``kill -9``; it is
    committed to git every half minute and at the end. Safe for threads; forked
    children and processes that find ``GITML_RUN_ID`` write to the same run.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        root: Path | None,
        on_end: Callable[[ActiveRun], None],
        push: bool | str = False,
    ) -> None:
        """Wrap a recorder; ``root`` is the top of the user's repository.

        ``push`` says whether, or to which remote, the run is pushed when it has ended.
        """
        self._recorder = recorder
        self._root = root
        self._on_end = on_end
        self._push = push
        self._sampler: Sampler | None = None
        self._models: set[str] = set()
        self.registered: tuple[ModelVersion, ...] = ()
        """The versions that were registered when the run ended."""

    @property
    def id(self) -> str:
        """The run's id: 32 hex digits."""
        return self._recorder.id

    @property
    def name(self) -> str:
        """The run's name."""
        return self._recorder.name

    @property
    def experiment(self) -> str:
        """The experiment's name."""
        return self._recorder.experiment

    @property
    def ended(self) -> bool:
        """Whether nothing more can be logged."""
        return self._recorder.ended

    def __repr__(self) -> str:
        """Return the name, the experiment and whether it goes on."""
        state = "ended" if self.ended else "running"
        return f"<ActiveRun {self.name} ({self.id[:8]}) of {self.experiment}, {state}>"

    def log_param(self, key: str, value: Any) -> None:
        """Log one hyper-parameter; another value for the same key raises `InputError`."""
        self.log_params({key: value})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log hyper-parameters; nested mappings are joined with ``.``.

        Numbers, booleans, text, None and lists keep their type; other objects
        are logged as text. All are logged or none.
        """
        self._recorder.log_params(flat(params))

    def log_metric(
        self, key: str, value: float, step: int | None = None, *, time: int | None = None
    ) -> None:
        """Log one value of a metric.

        ``step`` defaults to one after the metric's last, from 0; ``time`` is in
        milliseconds since 1970 and defaults to now. NaN and infinities are legal.
        Raises `InputError` for what is not a number.
        """
        self._recorder.log_metric(key, value, step, time)

    def log_metrics(
        self, metrics: Mapping[str, float], step: int | None = None, *, time: int | None = None
    ) -> None:
        """Log values of several metrics at one step, all or none."""
        self._recorder.log_metrics(metrics, step, time)

    def log_artifact(self, path: PathLike, dest: str | None = None) -> None:
        """Log a file, or a folder with all that is in it.

        ``dest`` is its path among the run's artifacts, by default its own name.
        The content is copied and hashed now; of an address (``s3://…``) nothing is, see
        `log_reference`. Raises `NotFoundError` if it is not
        there and `InputError` for links that lead out of the folder or for names
        that cannot be kept.
        """
        if isinstance(path, str) and is_address(path):
            self.log_reference(path, dest)
            return
        for file, where in plan_artifact(Path(path), dest, inside=self._root or working_folder()):
            self._recorder.log_file(file, where)

    def log_reference(
        self,
        uri: str,
        dest: str | None = None,
        *,
        sha256: str | None = None,
        size: int | None = None,
    ) -> None:
        """Log a file that lies elsewhere by its address; nothing is copied or opened.

        ``uri`` is like ``s3://bucket/model.pt``, and may end in ``#sha256=HEX&size=BYTES``;
        ``dest`` is its path among the run's artifacts, by default its own name. With a
        digest ``gitml artifacts get`` verifies what is there then. User names and
        passwords in it are not recorded. Raises `InputError`.
        """
        found = parse_reference(uri, dest, sha256=sha256, size=size)
        self._recorder.log_uri(found.uri, found.dest, size=found.size, sha256=found.sha256)

    def log_artifacts(self, folder: PathLike, dest: str | None = None) -> None:
        """Log every file below a folder, below ``dest`` among the artifacts."""
        for file, where in plan_artifact(
            Path(folder), dest or ".", inside=self._root or working_folder()
        ):
            self._recorder.log_file(file, where)

    def log_model(
        self,
        path: PathLike,
        name: str | None = None,
        *,
        signature: Any = None,
        input_example: Any = None,
        dest: str | None = None,
        sign: bool | None = None,
    ) -> str:
        """Log a saved model, a folder or a file, and return its folder among the artifacts.

        What MLflow wrote keeps its form; other files get a minimal MLmodel with ``signature``
        (a mapping of inputs, outputs and params, or MLflow's own) and ``input_example`` (a
        DataFrame, an array, or what JSON can hold). With ``name`` a version is registered
        when the run has ended well, with all its metrics; ``sign`` is as in `register_model`.
        The folder is ``dest``, else ``model/NAME`` or ``model``. Raises `InputError`.
        """
        from gitml.tracking import models  # the registry, which few programs need

        logged = models.log_model(
            self._recorder,
            path,
            name=name,
            folder=dest,
            signature=signature,
            example=input_example,
            sign=sign,
            before=self._models,
        )
        folder = names.check_path(dest or models.folder_of(name))
        self._models = {p for p in self._models if not p.startswith(f"{folder}/")} | {*logged}
        return folder

    def log_text(self, text: str, dest: str) -> None:
        """Log text as the artifact ``dest``."""
        self._made(dest, lambda path: path.write_text(text, encoding="utf-8"))

    def log_dict(self, value: Mapping[str, Any] | list[Any], dest: str) -> None:
        """Log a mapping or list as the artifact ``dest``, YAML or JSON by its suffix."""
        self._made(dest, lambda path: content.write_mapping(value, path))

    def log_figure(self, figure: Any, dest: str) -> None:
        """Log a Matplotlib or Plotly figure as the artifact ``dest``."""
        self._made(dest, lambda path: content.write_figure(figure, path))

    def log_image(self, image: Any, dest: str) -> None:
        """Log a PIL image or NumPy array as the artifact ``dest``."""
        self._made(dest, lambda path: content.write_image(image, path))

    def _made(self, dest: str, write: Callable[[Path], object]) -> None:
        dest = names.check_path(dest)
        with tempfile.TemporaryDirectory(prefix="gitml-") as folder:
            path = Path(folder) / dest.rpartition("/")[2]
            write(path)
            self._recorder.log_file(path, dest)

    def log_input(self, data: Any, *, name: str | None = None, context: str | None = None) -> None:
        """Record an input: a file, folder, glob or URL, or a DataFrame or array.

        Files are hashed and not copied; rows and columns of tables are counted.
        ``context`` says what it is for: ``training``, ``validation`` …
        """
        if isinstance(data, (str, os.PathLike)):
            dataset = describe_input(data, root=self._root, name=name, context=context)
        else:
            dataset = describe_frame(data, name=name or type(data).__name__, context=context)
        self._recorder.log_input(dataset)

    def set_tag(self, key: str, value: object) -> None:
        """Set one tag; None removes it."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags, as text; None removes one."""
        self._recorder.set_tags({k: None if v is None else str(v) for k, v in tags.items()})

    def note(self, text: str) -> None:
        """Write the run's note."""
        self._recorder.set_note(text)

    def checkpoint(self) -> None:
        """Commit what was logged so far; it also happens by itself every half minute."""
        self._recorder.checkpoint()

    def start_sampling(self, interval: float = 10.0) -> None:
        """Sample CPU, memory and GPU every ``interval`` seconds into ``system/…`` metrics."""
        self._sampler = Sampler(self._sample, interval)
        self._sampler.start()

    def _sample(self, name: str, value: float) -> None:
        self._recorder.log_metric(name, value)

    def end(self, status: str = "finished") -> Run | None:
        """End the run with a status and return it as committed.

        Then it is pushed, if that was wished (a push that fails is warned of, and leaves
        the run safe), and models that were logged with a name are registered. Raises a
        `GitmlError` if it cannot be committed; everything logged stays safe, and ``gitml
        pack`` commits it. One that is committed stays so if registering fails.
        """
        if status not in names.STATUSES:
            raise InputError(
                f"{names.visible(status)} is not a status.",
                hint=f"Use one of {', '.join(names.STATUSES)}.",
            )
        try:
            ended = self.commit(status)
            self._share(ended)
            self._register(ended)
            return ended
        finally:
            self._on_end(self)

    def commit(self, status: str) -> Run | None:
        """End the run as `end` does, and leave what follows to `end`."""
        if self._sampler is not None:
            self._sampler.stop()
        return self._recorder.end(status)

    def _share(self, ended: Run | None) -> None:
        """Push the run, where it ends here and that was wished."""
        recorder = self._recorder
        if ended is None or self._push is False or recorder.owner_pid != os.getpid():
            return
        from gitml.sharing.autopush import push_ended

        wish, self._push = self._push, False  # once
        try:
            push_ended(
                recorder.repository,
                ended,
                wish,
                by=author(recorder.repository),
                now=now_ms(),
                settings=recorder.settings,
            )
        except GitmlError as problem:
            told = problem.message.rstrip(".")
            warnings.warn(f"gitml: {told}. To do: {problem.hint}.", stacklevel=_level())

    def _register(self, ended: Run | None) -> None:
        """Register the models that were logged with a name, where the run ends here."""
        recorder = self._recorder
        if ended is None or recorder.owner_pid != os.getpid():
            return
        if not any(key.startswith(names.WISH) for key in ended.tags):
            return
        from gitml.registry.wishes import register_wished

        store = recorder.repository
        done = register_wished(store, ended, by=author(store), now=now_ms())
        self.registered = tuple(one.version for one in done)

    def __enter__(self) -> Self:
        """Return the run."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the run: finished, or failed or killed when an exception passes."""
        try:
            self.end(status_of(error))
        except GitmlError as problem:
            if error is None:
                raise
            # The program's own failure is the one to see; the run is safe in its log.
            warnings.warn(
                f"gitml: {problem.message} gitml pack commits the run later.", stacklevel=_level()
            )


def _level() -> int:
    """Return the ``stacklevel`` of a warning that is to name the line that called this module."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_code.co_filename == __file__:
        frame, level = frame.f_back, level + 1
    return level


def status_of(error: BaseException | None) -> str:
    """Return the status that an exception means for a run."""
    if error is None or (isinstance(error, SystemExit) and error.code in {None, 0}):
        return "finished"
    return "killed" if isinstance(error, KeyboardInterrupt) else "failed"


def plan_artifact(path: Path, dest: str | None, *, inside: Path) -> Iterator[tuple[Path, str]]:
    """Yield (file, path among the artifacts) for a file, or for each file of a folder.

    A link must not lead out of ``inside`` (for a file) or out of the folder.
    """
    shown = names.visible(str(path))
    target = names.check_path(dest if dest and dest != "." else path.absolute().name)
    if not path.exists():
        if path.is_symlink():
            raise InputError(f"{shown} is a link to nowhere.")
        near = names.did_you_mean(path.name, _siblings(path))
        raise NotFoundError(f"There is no file {shown}", hint=near or "Check the path.")
    if path.is_dir():
        prefix = "" if dest == "." else f"{target}/"
        yield from _walk(path, path.resolve(), prefix)
        return
    if not path.is_file():
        raise InputError(f"{shown} is neither a file nor a folder.")
    if path.is_symlink() and not path.resolve().is_relative_to(inside.resolve()):
        raise InputError(
            f"{shown} is a link that leads out of {names.visible(str(inside))}",
            hint="Log the file that it points to, or a copy.",
        )
    yield path, target


def _siblings(path: Path) -> list[str]:
    try:
        return [p.name for p in path.absolute().parent.iterdir()]
    except OSError:
        return []


def _walk(folder: Path, top: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"{names.visible(str(folder))} cannot be read: {error.strerror}."
        ) from None
    for entry in entries:
        if entry.name == ".git":
            continue
        if entry.is_symlink() and not entry.resolve().is_relative_to(top):
            raise InputError(
                f"{names.visible(str(entry))} is a link that leads out of the folder.",
                hint="Log the file that it points to, or a copy.",
            )
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry, top, f"{prefix}{entry.name}/")
        elif entry.is_file():
            yield entry, names.check_path(f"{prefix}{entry.name}")
        elif not entry.is_dir():
            raise InputError(f"{names.visible(str(entry))} is neither a file nor a folder.")
