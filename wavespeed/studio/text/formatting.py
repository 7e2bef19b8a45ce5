"""Numbers, names and facts as a person reads them."""

from __future__ import annotations

from wavespeed.studio.runs.run import OutputFile, Run, Timings
from wavespeed.types import byte_count

PRICE_UNKNOWN = "price not known"


def dollars(usd: float | None) -> str:
    """ "$0.02", "$1,250.00", "$0.018": more than two decimals only where they say something; and
    None is a price that nobody knows."""
    if usd is None:
        return PRICE_UNKNOWN
    text = f"{usd:,.4f}".rstrip("0")
    return f"${text}{'0' * max(0, 2 - len(text.partition('.')[2]))}"


def priced(label: str, usd: float | None, space: str = " ") -> str:
    """A button and what it costs: "Again $0.02"."""
    return f"{label} ({PRICE_UNKNOWN})" if usd is None else f"{label}{space}{dollars(usd)}"


def seconds(value: float) -> str:
    """ "0.4 s", "12.0 s", "3 min 05 s"."""
    if value < 99.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def flag(nsfw: bool | None, *, unclear: bool = False) -> str:
    """What the service said of a picture; saying nothing is not the same as safe."""
    if unclear:
        return "Flag not readable"
    if nsfw is None:
        return "Not checked"
    return "Flagged" if nsfw else "Not flagged"


def facts(result: OutputFile) -> str:
    """ "Saved, 1536×1024 PNG, 1.9 MB, checked"."""
    size = f"{result.width}×{result.height}"
    return f"Saved, {size} {result.format}, {byte_count(result.size_bytes)}, checked"


def alt(run: Run) -> str:
    """What a screen reader says of a result."""
    return f"Result: {title(run)[:200]}"


def title(run: Run) -> str:
    """A run in a line: its prompt, or that nobody knows it."""
    known = run.prediction.id if run.prediction else ""
    return " ".join(run.prompt.split()) or f"Fetched: {known}"


def times(timings: Timings) -> list[tuple[str, str, float]]:
    """The parts of a finished edit's time as (kind, name, seconds); unknown ones are left out."""
    names = (
        ("prepare", "Prepare", timings.prepare),
        ("upload", "Upload", timings.upload),
        ("queue", "Queue", timings.queue),
        ("inference", "Inference", timings.inference),
        ("download", "Download", timings.download),
    )
    return [(kind, name, value) for kind, name, value in names if value is not None]


def picture(run: Run) -> str:
    """The name of the picture that is edited, as it was dropped."""
    return run.pictures[0].name if run.pictures else title(run)


def input_summary(run: Run) -> str:
    """What was sent."""
    return "; ".join(str(change) for change in run.preprocessing if change) or "pictures by address"


def output_summary(run: Run) -> str:
    """What came back."""
    return "; ".join(facts(result) for result in run.results)
