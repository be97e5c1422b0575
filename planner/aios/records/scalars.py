"""Places within a text that stands in a YAML file over several lines, in quotes or in a block."""

from collections.abc import Sequence

__all__ = ["place_within"]


def place_within(lines: Sequence[str], begin: tuple[int, int], text: str, at: tuple[int, int]) -> tuple[int, int]:
    """Return where the character of ``text`` at line and column ``at`` stands in the file; all are 0-based.

    lines: of the file · begin: where the value begins. YAML folds lines and takes indentation away, but keeps all that
    is no white space, in order: the character is found by counting.
    """
    before = "".join(line + "\n" for line in text.split("\n")[: at[0]]) + text.split("\n")[at[0]][: at[1]]
    wanted = sum(not character.isspace() for character in before)
    line, column = begin
    first = lines[line][column:] if line < len(lines) else ""
    quote = first[:1] if first[:1] in ("'", '"') else ""
    if first[:1] in ("|", ">"):
        line, column = line + 1, 0
    elif quote:
        column += 1
    while line < len(lines):
        row = lines[line]
        while column < len(row):
            if row[column].isspace():
                column += 1
                continue
            escaped = (quote == '"' and row[column] == "\\") or (quote == "'" and row[column : column + 2] == "''")
            if wanted == 0:
                return line, column
            wanted -= 1
            column += 2 if escaped else 1
        if wanted == 0 and not text.split("\n")[at[0]][at[1] :].strip():
            return line, column
        line, column = line + 1, 0
    return begin
