"""The run a training program writes to: what ``gitml.start_run`` returns."""

from __future__ import annotations

import inspect
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from gitml import names
from gitml.errors import GitmlError, InputError
from gitml.tracking import content
from gitml.tracking.capture import now_ms, working_folder
from gitml.tracking.identity import author
from gitml.tracking.inputs import describe_frame, describe_input
from gitml.tracking.placing import plan_artifact
from gitml.tracking.references import is_address, parse_reference
from gitml.tracking.sampling import Sampler
from gitml.tracking.values import flat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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
        """Log one hyper-parameter; see `log_params`."""
        self.log_params({key: value})

    def log_params(self, params: Mapping[str, Any] | object) -> None:
        """Log hyper-parameters: a mapping, a dataclass, or what argparse has parsed.

        Nested ones are joined with ``.``: ``model.depth``. Numbers, booleans, text, None
        and lists keep their type, as do NumPy's scalars and arrays of up to 1,000 numbers;
        other objects are logged as text of at most 65,536 characters. All are logged or
        none: raises `InputError` for a key that has another value already, or a name or
        value that cannot be kept.
        """
        self._recorder.log_params(flat(params))

    def log_metric(
        self, key: str, value: float, step: int | None = None, *, time: int | None = None
    ) -> None:
        """Log one value of a metric.

        ``value`` is a number, or a tensor or an array of one; NaN and infinities are
        legal. ``step`` defaults to one after the metric's last, from 0; ``time`` is in
        milliseconds since 1970 and defaults to now. Raises `InputError` for what is not a
        number, and `RefusedError` when the run has ended.
        """
        self._recorder.log_metric(key, value, step, time)

    def log_metrics(
        self, metrics: Mapping[str, float], step: int | None = None, *, time: int | None = None
    ) -> None:
        """Log values of several metrics at one step, all or none; see `log_metric`."""
        self._recorder.log_metrics(metrics, step, time)

    def log_artifact(self, path: PathLike, dest: str | None = None) -> None:
        """Log a file, or a folder with all that is in it.

        ``dest`` is its path among the run's artifacts, by default its own name; one that
        ends in ``/`` is the folder to put it in. The content is copied and hashed now; of
        an address (``s3://…``) nothing is, see `log_reference`. Raises `NotFoundError` if it
        is not there, `InputError` for links that lead out of the folder and for names that
        cannot be kept.
        """
        if isinstance(path, str) and is_address(path):
            self.log_reference(path, dest)
            return
        if dest is not None and dest.endswith("/"):
            dest += Path(path).absolute().name
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
        """Log every file below a folder, below ``dest`` among the artifacts.

        Without ``dest`` they are at the top. Raises what `log_artifact` raises.
        """
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

        logged, bound = models.log_model(
            self._recorder,
            path,
            name=name,
            folder=dest,
            signature=signature,
            example=input_example,
            sign=sign,
            before=self._models,
        )
        if bound is not None:
            told, hint = models.bound_words(bound)
            warnings.warn(f"gitml: {told.rstrip('.')}. To do: {hint}.", stacklevel=_level())
        folder = names.check_path(dest or models.folder_of(name))
        self._models = {p for p in self._models if not p.startswith(f"{folder}/")} | {*logged}
        return folder

    def log_text(self, text: str, dest: str) -> None:
        """Log text as the artifact ``dest``."""
        self._made(dest, lambda path: path.write_text(text, encoding="utf-8"))

    def log_dict(self, value: Mapping[str, Any] | list[Any], dest: str) -> None:
        """Log a mapping or list as the artifact ``dest``: YAML for .yaml and .yml, else JSON."""
        self._made(dest, lambda path: content.write_mapping(value, path))

    def log_figure(self, figure: Any, dest: str) -> None:
        """Log a figure as the artifact ``dest``; raises `InputError` for what is none.

        Matplotlib's in the format of the suffix (.png, .svg, .pdf …), Plotly's as .html or
        .json.
        """
        self._made(dest, lambda path: content.write_figure(figure, path))

    def log_image(self, image: Any, dest: str) -> None:
        """Log a PIL image or an array as the artifact ``dest``, in the format of its suffix.

        An array has the shape (height, width), or (height, width, 3 or 4) for RGB and
        RGBA; its values are 0 to 255, floats 0 to 1. It needs ``gitml[images]``. Raises
        `InputError` for what is no image.
        """
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
        ``context`` says what it is for: ``training``, ``validation`` … ``name`` defaults
        to the file's. Raises `NotFoundError`, or `InputError` for another kind of data.
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
        """Write the run's note, in place of the one it has."""
        self._recorder.set_note(text)

    def checkpoint(self) -> None:
        """Commit what was logged so far; it also happens by itself every half minute.

        Raises a `GitmlError` if it cannot be committed; everything logged stays safe.
        """
        self._recorder.checkpoint()

    def start_sampling(self, interval: float = 10.0) -> None:
        """Sample CPU, memory and GPU every ``interval`` seconds into ``system/…`` metrics.

        It goes on until the run ends.
        """
        self._sampler = Sampler(self._sample, interval)
        self._sampler.start()

    def _sample(self, name: str, value: float) -> None:
        self._recorder.log_metric(name, value)

    def end(self, status: str = "finished") -> Run | None:
        """End the run as ``finished``, ``failed`` or ``killed``, and return it as committed.

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
        from gitml.registry.publishing import waiting_words
        from gitml.registry.wishes import register_wished

        store = recorder.repository
        done = register_wished(store, ended, by=author(store), now=now_ms())
        self.registered = tuple(one.version for one in done)
        for told, how in filter(None, map(waiting_words, done)):
            warnings.warn(f"gitml: {told}. To do: {how}.", stacklevel=_level())

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
