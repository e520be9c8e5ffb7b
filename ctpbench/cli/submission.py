"""The command submit."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click

from ctpbench.cli.completers import complete_runs
from ctpbench.cli.group import main
from ctpbench.errors import InputError, PluginError

if TYPE_CHECKING:
    from ctpbench.contract.components import Denoiser
    from ctpbench.outcome.card import Card
    from ctpbench.plugins import Catalogue
    from ctpbench.running.record import Record


@main.command(
    "submit", epilog="Example: ctpbench submit runs/quick --row mine --out leaderboards/quick/submissions/mine"
)
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN", shell_complete=complete_runs)
@click.option("--row", "rows", multiple=True, metavar="LABEL", help="A row to hand in; default: all but the controls.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to be made for the pull request.",
)
@click.option(
    "--card",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A row's card, written beforehand.",
)
@click.option("--citation", metavar="TEXT", help="Where the method was published, or 'unpublished'.")
@click.option("--trained-on", metavar="TEXT", help="What it learnt from in the run, or 'nothing'.")
@click.option("--pretrained-data", metavar="TEXT", help="What its weights were made from before, or 'nothing'.")
@click.option("--licence", metavar="TEXT", help="The licence of its code.")
@click.option("--code", metavar="ADDRESS", help="Where its code is to be had.")
@click.option("--contact", metavar="TEXT", help="Whom to ask; may be left out.")
@click.option("--with-failures", is_flag=True, help="Hand in rows of which cells failed.")
def submit(
    run: Path, rows: tuple[str, ...], out: Path, files: tuple[Path, ...], with_failures: bool, **given: str | None
) -> None:
    """Pack a finished run for a pull request.

    The folder holds the suite, the results, a manifest of their seals, where they come from, the page, and a card of
    each row that is handed in: the method, its citation, what it learnt from, its licence and code. A card is written
    from the options, from what the installed method says of itself and, on a terminal, from what you answer. Look at
    the folder as a reviewer will by `ctpbench verify DIR`.
    """
    from ctpbench.atomic import check_new_folder
    from ctpbench.contract.control import NOISELESS, UNFILTERED
    from ctpbench.outcome.card import load_card
    from ctpbench.plugins import load_catalogue
    from ctpbench.report.submission import chosen_rows, pack, whole_run

    check_new_folder(out, "--out")
    tree, records = whole_run(run)
    written = {card.row: (card, file) for file in files for card in [load_card(file)]}
    facts = chosen_rows(tree, (*rows, *(row for row in written if rows)), (UNFILTERED, NOISELESS))
    if strange := [row for row in written if row not in [fact["config"] for fact in facts]]:
        raise InputError(f"{written[strange[0]][1]}: row: the run has no {strange[0]!r} to hand in")
    if not facts:
        raise InputError(f"{run}: has no row but the controls; nothing to hand in")
    chosen = [fact["config"] for fact in facts]
    remarks = _remarks(records, chosen, with_failures)
    catalogue = load_catalogue()
    cards = [
        written[fact["config"]][0] if fact["config"] in written else _card(fact, _component(catalogue, fact), given)
        for fact in facts
    ]
    pack(run, tree, cards, out)
    for line in remarks:
        click.echo(line)
    click.echo(f"Packed into {out}: {', '.join(chosen)}, with a card each in cards/")
    click.echo(f"Next: read {out}/README.md and the cards, then `ctpbench verify {out}`; see leaderboards/README.md")


def _remarks(records: Sequence[Record], chosen: Sequence[str], with_failures: bool) -> list[str]:
    """Return what reviewers will ask about the rows that are handed in.

    Raises
    ------
    InputError
        Where cells of them failed, and that is not said to be right.
    """
    own = [record for record in records if record.config in chosen]
    failed = [record for record in own if not record.whole]
    if failed and not with_failures:
        first = failed[0]
        why = first.message or "; ".join([*first.left_out.values(), *first.faults.values()])
        raise InputError(
            f"{len(failed)} of {len(own)} cells of the rows failed, such as {first.config}: {first.status}: {why}; "
            "run them again with --rerun failed, or hand them in --with-failures"
        )
    lines = [f"{len(failed)} cells of the rows failed; reviewers will ask why"] if failed else []
    for row in chosen:
        held = {record.timings.sandbox or "unknown" for record in own if record.config == row}
        if held - {"full"}:
            word = ", ".join(sorted(held - {"full"}))
            lines.append(
                f"{row}: its processes were not held by a full sandbox ({word}), so they could have seen the truth; "
                "reviewers will ask for a run where `ctpbench run` says no word of a sandbox, or verify it on one"
            )
    return lines


def _component(catalogue: Catalogue, fact: Mapping[str, str]) -> type[Denoiser] | None:
    try:
        return catalogue.find("denoiser", fact["method"])
    except PluginError:
        return None


def _answer(name: str, text: str) -> str:
    """Return an answer about a part of a card; click asks again where it is not allowed."""
    from pydantic import TypeAdapter, ValidationError

    from ctpbench.outcome.card import Card

    field = Card.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata]
    try:
        if text or field.is_required():
            TypeAdapter(kind).validate_python(text)
    except ValidationError as error:
        raise click.BadParameter(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    return text


def _card(fact: Mapping[str, str], component: type[Denoiser] | None, given: Mapping[str, str | None]) -> Card:
    """Return a row's card from options, the component and, on a terminal, answers.

    Raises
    ------
    InputError
        Where something is missing or not allowed.
    """
    from ctpbench.outcome.card import ASKED, Card, drafted
    from ctpbench.written.document import dump, parse
    from ctpbench.written.faults import Faults

    draft = drafted(component, fact, fact["data"]) | {name: text for name, text in given.items() if text is not None}
    if sys.stdin.isatty():
        click.echo(f"Card of {fact['config']}:")
        for name in ASKED:
            if given[name] is None:
                about = f"  {Card.model_fields[name].description}".removesuffix(".")
                default = draft.get(name, "" if name == "contact" else None)
                check = partial(_answer, name)
                draft[name] = click.prompt(about, default=default, show_default=bool(default), value_proc=check)
    needed = [name for name in ASKED if name != "contact" and not draft.get(name)]
    if needed:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in needed)
        raise InputError(f"card of {fact['config']}: {', '.join(needed)} not known; give {options}, or --card FILE")
    text = dump({name: draft[name] for name in Card.model_fields if draft.get(name)})
    document = parse(text, f"card of {fact['config']}", {})
    faults = Faults(document)
    card: Card | None = faults.take(Card, document.data, (), None)
    faults.raise_if_any()
    assert card is not None
    return card
