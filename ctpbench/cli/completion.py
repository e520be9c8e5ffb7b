"""The command completion."""

from __future__ import annotations

import click

from ctpbench.cli.group import main

_SHELLS = ("bash", "zsh", "fish")


@main.command("completion", epilog="Example: ctpbench completion bash > ~/.ctpbench-completion.bash")
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands, options, runs, suites, rows and components.

    \b
    To switch it on for good:
      bash (4.4 or newer)  ctpbench completion bash > ~/.ctpbench-completion.bash
                           echo '. ~/.ctpbench-completion.bash' >> ~/.bashrc
      zsh                  ctpbench completion zsh > ~/.ctpbench-completion.zsh
                           echo '. ~/.ctpbench-completion.zsh' >> ~/.zshrc   (below compinit)
      fish                 ctpbench completion fish > ~/.config/fish/completions/ctpbench.fish

    A new shell completes then. The first time that names of components are asked for, they are looked up in the
    background; the next time they are there.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    # what is completed may hold commas, at which click's script for fish would cut it
    script = kind(main, {}, "ctpbench", "_CTPBENCH_COMPLETE").source().replace("string split ", "string split --max 1 ")
    click.echo(script)
