"""The facts of a model that lists show, written once, in its module, as `CARD = Card(...)`.

They are read from the source, so that a list of all models imports neither torch nor the models.
The shared tests compare them with the loaded models.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parents[1]
"""Where the modules of the models are."""


@dataclass(frozen=True)
class Card:
    """Facts of a model as `load_model()` makes it. All arguments are literals.

    Attributes
    ----------
    authors, title, venue, link : of the paper; the year ends the venue. Authors "" : no paper
    sample_rate : Hz
    scene_embedding_size, timestamp_embedding_size : length of the embeddings
    parameters : number of those that the embeddings need; unused heads are not counted
    package : Python package that the model needs, which has its weights if there is no checkpoint
    released : ISO 8601 day on which the default weights appeared: of the commit or release of their
        publisher that brought the file or the link to it. "": unknown, or none published
    training_data : what the default weights were trained on, () where nothing was trained
    training_code : page of the authors' code that trains them; "": none known
    public_data : whether everyone can get the training data; None: nothing was trained, or unknown
    languages : ISO 639-3 and script of models of speech alone, such as "eng-Latn"
    text : the module's docstring: summary, input, embeddings, options, differences
    """

    sample_rate: int
    scene_embedding_size: int
    timestamp_embedding_size: int
    parameters: int
    authors: str = ""
    title: str = ""
    venue: str = ""
    link: str = ""
    package: str = ""
    released: str = ""
    training_data: tuple[str, ...] = ()
    training_code: str = ""
    public_data: bool | None = None
    languages: tuple[str, ...] = ()
    text: str = field(default="", compare=False)

    @property
    def summary(self) -> str:
        """What the model is, in a line."""
        return self.text.partition("\n")[0].rstrip(".")

    @property
    def paper(self) -> str:
        """The paper in full."""
        return f'{self.authors}, "{self.title}", {self.venue}, {self.link}' if self.authors else ""

    @property
    def bibtex(self) -> str:
        """The paper as a BibTeX entry; of no paper, none."""
        if not self.authors:
            return ""
        key = re.sub(r"[^a-z]", "", self.authors.split(",")[0].partition(" ")[0].lower())
        year = self.venue.split()[-1]
        authors = self.authors.replace(" et al.", ", others").replace(", ", " and ")
        return (
            f"@misc{{{key}{year},\n  title = {{{self.title}}},\n  author = {{{authors}}},\n"
            f"  year = {{{year}}},\n  howpublished = {{{self.venue}}},\n"
            f"  note = {{{self.link}}},\n}}"
        )

    @property
    def short_paper(self) -> str:
        """First author, year and link."""
        if not self.authors:
            return "ours"
        author = self.authors.partition(",")[0].removesuffix(" et al.")
        return f"{author} {self.venue.split()[-1]}, {self.link}"


def read_card(name: str) -> Card:
    """The card of the module `hear_plugins.<name>`, read without importing it.

    Raises
    ------
    FileNotFoundError
        No such module.
    ValueError
        The module has no card, or one that is not of literals.
    """
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == "CARD"
            and isinstance(node.value, ast.Call)
        ):
            facts = {str(each.arg): ast.literal_eval(each.value) for each in node.value.keywords}
            return Card(**facts, text=ast.get_docstring(tree) or "")
    raise ValueError(f"hear_plugins/{name}.py has no CARD = Card(...)")
