"""`completion SHELL`: a script with which a shell completes what is typed after `d3d`.

The script has all words in it, so that a shell waits for nothing; a new ablation is completed once it is made again.
Nothing here imports torch, Ray or MLflow.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, get_args, get_origin

from d3d.bench.declare.ablations import MODEL, SECTIONS, options
from d3d.bench.declare.compose import OWN, SETTLE, ablation_groups, inspection_keys, known_keys
from d3d.bench.declare.configuration import key_types
from d3d.bench.declare.launch import Poses, Settings
from d3d.bench.declare.usages import CLEAN, COMPARE, PREDICT, REPRODUCE, STATUS, TABLE_KEYS
from d3d.config import Config
from d3d.errors import ConfigError
from d3d.models.registry import SYSTEMS, config_type

SHELLS = ("bash", "zsh")
LOUDNESS = ("-q", "-v")


@dataclass(frozen=True)
class Words:
    """What can be typed."""

    commands: tuple[str, ...]
    after: Mapping[str, tuple[str, ...]]  # command → its words; a key ends with "="
    values: Mapping[str, tuple[str, ...]]  # key → its values; the others name files, or anything


def completion_script(arguments: Sequence[str], commands: Sequence[str], artefacts: Collection[str]) -> str:
    """The script for the shell that the arguments name. Raises ConfigError where they name none of SHELLS.

    Args:
        arguments: of the command `completion`.
        commands: there are.
        artefacts: names that `tables` takes.
    """
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        asked = " ".join(arguments) or "nothing"
        raise ConfigError(f"completion {asked}: name a shell, {' or '.join(SHELLS)}, as in `completion {SHELLS[0]}`")
    words = words_of(commands, artefacts)
    return {"bash": _bash, "zsh": _zsh}[arguments[0]](words)


def words_of(commands: Sequence[str], artefacts: Collection[str]) -> Words:
    """All that can be completed; arguments as in `completion_script`."""
    launched, inspected = (dict.fromkeys(chain(*map(keys, SYSTEMS))) for keys in (known_keys, inspection_keys))
    keys: dict[str, Iterable[str]] = {
        "run": [*launched, *REPRODUCE.keys],
        "config": launched,
        **{command: [*inspected, *own] for command, own in OWN.items()},
        **dict.fromkeys(("tables", "report"), TABLE_KEYS),
        **{"status": STATUS.keys, "compare": COMPARE.keys, "clean": CLEAN.keys, "predict": PREDICT.keys},
    }
    after = {command: tuple(dict.fromkeys(f"{key}=" for key in keys.get(command, ()))) for command in commands}
    after["run"] += LOUDNESS
    after |= {command: (*artefacts, *after[command]) for command in ("tables", "report")}
    return Words(tuple(commands), {**after, "completion": SHELLS}, _values())


def _values() -> dict[str, tuple[str, ...]]:
    """The values of the keys that have few."""
    typed = [key_types(Config), key_types(Settings), key_types(Poses, "poses.")]
    typed += [key_types(config_type(system), f"{MODEL}.") for system in SYSTEMS]
    found: dict[str, tuple[str, ...]] = {}
    for key, kind in chain(*(types.items() for types in typed)):  # a key may mean another thing in another system
        found[key] = tuple(dict.fromkeys((*found.get(key, ()), *_offered(kind))))
    found |= {"seeds": (SETTLE,), "model.system": tuple(SYSTEMS)}
    found |= {group: tuple(options(group)) for group in (*SECTIONS, "search")}
    found |= {"ablation": (*options("ablation"), *ablation_groups())}
    found |= dict.fromkeys(("partial", "weights", "yes"), ("true", "false"))
    return {key: values for key, values in found.items() if values}


def _offered(kind: Any) -> Iterable[str]:
    """The values that a type names, without those that a shell would take for several words."""
    if kind is bool:
        return ("true", "false")
    if get_origin(kind) is Literal:
        return [value for value in map(str, get_args(kind)) if " " not in value]
    return chain(*map(_offered, get_args(kind)))


BASH = """\
# Completes d3d in bash: source <(d3d completion bash)
_d3d() {
    local line=${COMP_LINE:0:COMP_POINT} typed each command=run words= prefix=
    read -ra typed <<< "$line"
    [[ $line == *[[:space:]] ]] && typed+=("")
    local word=${typed[-1]}
    for each in "${typed[@]:1:${#typed[@]}-2}"; do
        case $each in
            -*) ;;
            COMMANDS) command=$each; break ;;
            *) break ;;
        esac
    done
    COMPREPLY=()
    case $word in
VALUES
        *=*) mapfile -t COMPREPLY < <(compgen -f -- "${word#*=}"); compopt -o filenames ;;
        *)
            case $command in
AFTER
            esac
            [[ ${#typed[@]} == 2 ]] && words+=" FIRST"
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
            [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
            return ;;
    esac
    [[ -n $words ]] && mapfile -t COMPREPLY < <(compgen -W "$words" -- "${word#*=}")
    case $word in
        ablation=* | search=*)
            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -X '!*.y*ml' -- "${word#*=}") ;;
    esac
    [[ $COMP_WORDBREAKS == *=* ]] || COMPREPLY=("${COMPREPLY[@]/#/${word%%=*}=}")
}
complete -F _d3d d3d
"""

ZSH = """\
#compdef d3d
# Completes d3d in zsh, after compinit: source <(d3d completion zsh)
_d3d() {
    local each command=run
    for each in "${(@)words[2,CURRENT-1]}"; do
        case $each in
            -*) ;;
            COMMANDS) command=$each; break ;;
            *) break ;;
        esac
    done
    case $PREFIX in
VALUES
        *=*) compset -P '*='; _files ;;
        *)
            case $command in
AFTER
            esac
            (( CURRENT == 2 )) && compadd -- FIRST ;;
    esac
}
compdef _d3d d3d
"""


def _bash(words: Words) -> str:
    values = [f'        {key}=*) words="{" ".join(each)}" ;;' for key, each in words.values.items()]
    after = [f'                {name}) words="{" ".join(each)}" ;;' for name, each in words.after.items() if each]
    return _filled(BASH, words, values, after)


def _zsh(words: Words) -> str:
    values = []
    for key, each in words.values.items():
        files = "; _files -g '*.y*ml'" if key in ("ablation", "search") else ""
        values.append(f"        {key}=*) compset -P '*='; compadd -- {' '.join(each)}{files} ;;")
    after = []
    for name, each in words.after.items():
        keys, others = (" ".join(word for word in each if word.endswith("=") is sort) for sort in (True, False))
        parts = [f"compadd -S '' -- {keys}"] * bool(keys) + [f"compadd -- {others}"] * bool(others)
        after.append(f"                {name}) {'; '.join(parts)} ;;")
    return _filled(ZSH, words, values, after)


def _filled(script: str, words: Words, values: Sequence[str], after: Sequence[str]) -> str:
    filled = script.replace("VALUES", "\n".join(values)).replace("AFTER", "\n".join(after))
    return filled.replace("COMMANDS", "|".join(words.commands)).replace("FIRST", " ".join(words.commands))
