"""The completion scripts of bash, zsh and fish, written from what commands take.

Each holds all words itself, so that completing starts no Python. A value that is known by name is
completed by these names; where a file would do as well, as for --dataset, by files too.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["WRITERS", "Command", "Word"]


@dataclass(frozen=True)
class Word:
    """A flag, or what goes without one.

    Attributes:
        name: `--name`, or the NAME of an argument.
        about: what it is, in a line.
        most: how many values it takes at most; 0 of a switch.
        choices: values that are known by name.
        takes_files: whether a value may be a path.
    """

    name: str
    about: str
    most: int
    choices: tuple[str, ...]
    takes_files: bool


@dataclass(frozen=True)
class Command:
    """A command with its flags and arguments."""

    name: str
    about: str
    flags: Sequence[Word]
    places: Sequence[Word]

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that its arguments are known by."""
        return tuple(choice for word in self.places for choice in word.choices)

    @property
    def takes_files(self) -> bool:
        """Whether an argument may be a path."""
        return any(word.takes_files for word in self.places)


_HELP = ("--help", "--version")

# ---- bash and zsh --------------------------------------------------------------------------------

# Both have the same cases: `most`, `choices` and `files` of what comes next.
_BASH = """\
# npnet completion bash
_npnet() {{
    local cur="${{COMP_WORDS[COMP_CWORD]}}" command="${{COMP_WORDS[1]}}"
    local most=0 choices="" files="" flag="" given=0 i word
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "{commands}" -- "$cur"))
        return
    fi
    # --flag=value comes as three words.
    [[ $cur == "=" ]] && cur=""
    for ((i = COMP_CWORD - 1; i > 1; i--)); do
        word="${{COMP_WORDS[i]}}"
        if [[ $word == --* ]]; then
            flag="--${{word#--}}"
            flag="--$(printf %s "${{flag#--}}" | tr - _)"
            break
        fi
        [[ $word != "=" ]] && given=$((given + 1))
    done
    if [[ $cur == -* ]]; then
        case "$command" in
{flags}
        esac
        COMPREPLY=($(compgen -W "$choices" -- "--$(printf %s "${{cur#--}}" | tr - _)"))
        return
    fi
    case "$command $flag" in
{values}
    esac
    if [[ -z $flag || $given -ge $most ]]; then
        choices="" files=""
        case "$command" in
{places}
        esac
    fi
    COMPREPLY=($(compgen -W "$choices" -- "$cur"))
    if [[ -n $files ]]; then
        local IFS=$'\\n'
        COMPREPLY+=($(compgen -f -- "$cur"))
    fi
}}
complete -o filenames -F _npnet npnet
"""

_ZSH = """\
#compdef npnet
# npnet completion zsh
_npnet() {{
    local cur="${{words[CURRENT]}}" command="${{words[2]}}"
    local most=0 choices="" files="" flag="" given=0 i word
    local -a described
    if ((CURRENT == 2)); then
        described=({described})
        _describe command described
        return
    fi
    # --flag=value is one word.
    if [[ $cur == --*=* ]]; then
        flag="--${{${{cur%%=*}}#--}}"
        compset -P '*='
    else
        for ((i = CURRENT - 1; i > 2; i--)); do
            word="${{words[i]}}"
            if [[ $word == --*=* ]]; then
                given=99
                break
            elif [[ $word == --* ]]; then
                flag="$word"
                break
            fi
            given=$((given + 1))
        done
        if [[ $cur == -* ]]; then
            case "$command" in
{flags}
            esac
            _describe flag described
            return
        fi
    fi
    flag="--${{${{flag#--}}//-/_}}"
    case "$command $flag" in
{values}
    esac
    if [[ $flag == -- || $given -ge $most ]]; then
        choices="" files=""
        case "$command" in
{places}
        esac
    fi
    [[ -n $choices ]] && compadd -- ${{=choices}}
    [[ -n $files ]] && _files
    return 0
}}
compdef _npnet npnet
"""


def _bash(commands: Sequence[Command]) -> str:
    names = " ".join([*(command.name for command in commands), *_HELP])
    flags = []
    for command in commands:
        words = [*(word.name for word in command.flags), "--help"]
        flags.append(f"        {command.name}) choices={_quoted(words)} ;;")
    return _BASH.format(
        commands=names,
        flags="\n".join(flags),
        values="\n".join(_values(commands)),
        places="\n".join(_places(commands)),
    )


def _zsh(commands: Sequence[Command]) -> str:
    described = " ".join(_described(command.name, command.about) for command in commands)
    flags = []
    for command in commands:
        words = [_described(word.name, word.about) for word in command.flags]
        words.append(_described("--help", "all flags, with examples"))
        flags.append(f"            {command.name}) described=({' '.join(words)}) ;;")
    return _ZSH.format(
        described=described,
        flags="\n".join(flags),
        values="\n".join(_values(commands)),
        places="\n".join(_places(commands)),
    )


def _values(commands: Sequence[Command]) -> Iterator[str]:
    for command in commands:
        for word in command.flags:
            if word.most:
                case = f"most={word.most} choices={_quoted(word.choices)}{_files(word.takes_files)}"
                yield f"    {shlex.quote(f'{command.name} {word.name}')}) {case} ;;"


def _places(commands: Sequence[Command]) -> Iterator[str]:
    for command in commands:
        if command.choices or command.takes_files:
            case = f"choices={_quoted(command.choices)}{_files(command.takes_files)}"
            yield f"        {command.name}) {case} ;;"


def _files(takes: bool) -> str:
    return " files=1" if takes else ""


def _quoted(words: Sequence[str]) -> str:
    return shlex.quote(" ".join(words))


def _described(name: str, about: str) -> str:
    """`name:about`, quoted: an element of an array that _describe takes."""
    return shlex.quote(f"{name}:{about}" if about else name)


# ---- fish ----------------------------------------------------------------------------------------


_FISH = """\
# npnet completion fish
function __npnet_values_of --argument-names flag
    for word in (commandline -opc)[-1..1]
        if string match -q -- '--*' $word
            test $word = $flag
            return
        end
    end
    return 1
end
complete -c npnet -f"""


def _fish(commands: Sequence[Command]) -> str:
    lines = [_FISH]
    for command in commands:
        about = _fish_quoted(command.about)
        lines.append(f"complete -c npnet -n __fish_use_subcommand -a {command.name} -d {about}")
    for command in commands:
        start = f"complete -c npnet -n '__fish_seen_subcommand_from {command.name}'"
        for word in command.flags:
            lines.append(f"{start} {_fish_flag(word)}")
            if word.most > 1 and word.choices:  # fish knows of flags with one value alone
                lines.append(
                    f"complete -c npnet -n '__fish_seen_subcommand_from {command.name}; "
                    f"and __npnet_values_of {word.name}' -a {_fish_quoted(' '.join(word.choices))}"
                )
        lines.append(f"{start} -l help -d 'all flags, with examples'")
        if command.choices:
            lines.append(f"{start} -a {_fish_quoted(' '.join(command.choices))}")
        if command.takes_files:
            lines.append(f"{start} -F")
    return "\n".join(lines) + "\n"


def _fish_flag(word: Word) -> str:
    about = f" -d {_fish_quoted(word.about)}" if word.about else ""
    if not word.most:
        return f"-l {word.name.removeprefix('--')}{about}"
    choices = f" -a {_fish_quoted(' '.join(word.choices))}" if word.choices else ""
    files = " -r -F" if word.takes_files else " -x"
    return f"-l {word.name.removeprefix('--')}{files}{choices}{about}"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


WRITERS: dict[str, Callable[[Sequence[Command]], str]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
"""By the name of the shell, what writes its script."""
