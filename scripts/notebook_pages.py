"""Write the notebooks as pages of the site, docs/tutorials/*.md, which git ignores: `make docs`.

python scripts/notebook_pages.py        # before the site is built
python scripts/notebook_pages.py link   # afterwards: links to notebooks lead to their pages
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "tutorials"


def notebooks() -> list[Path]:
    """The notebooks, executed."""
    return [DOCS / "looking.ipynb", *sorted(FOLDER.glob("*.ipynb"))]


def page(notebook: dict[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, and its pictures by file name."""
    parts = []
    pictures: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source.replace(".ipynb)", ".md)"))
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {"text/plain": output.get("text", "")})
            if "image/png" in data:
                file = f"{name}-{len(pictures) + 1}.png"
                pictures[file] = base64.b64decode("".join(data["image/png"]))
                parts.append(f"![What the cell shows]({file})")
            elif "text/html" in data:
                parts.append("".join(data["text/html"]))
            else:
                parts.append(f"```text\n{''.join(data['text/plain']).rstrip()}\n```")
    return "\n\n".join(parts) + "\n", pictures


def write() -> None:
    """Write every page and its pictures."""
    for path in notebooks():
        text, pictures = page(json.loads(path.read_text(encoding="utf-8")), path.stem)
        (FOLDER / f"{path.stem}.md").write_text(text, encoding="utf-8")
        for name, content in pictures.items():
            (FOLDER / name).write_bytes(content)


def link(site: Path) -> None:
    """Let the links of the built pages to notebooks lead to the pages that show them."""
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for notebook in notebooks():
            address = notebook.relative_to(DOCS).as_posix()
            text = text.replace(f'{address}"', f'tutorials/{notebook.stem}/"')
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["link"]:
        link(DOCS.parent / "site")
    else:
        write()
