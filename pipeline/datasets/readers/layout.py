"""How a folder of images is laid out: which level of folders is the class, and which, if any, the split."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath

from pipeline.datasets.readers.files import escaped
from pipeline.datasets.readers.raw import some
from pipeline.datasets.readers.tree import Parts, Tree
from pipeline.store.errors import InputError

# words for parts of a dataset, alone or in names like `train2017`, `seg_test` and `val-images`; or with a number
WORDS = "train|training|trn|val|valid|validation|dev|test|testing|tst|eval|evaluation|holdout|unlabell?ed|unsup"
NUMBERED = "fold|split|subset"
SPLIT = re.compile(rf"(?:.*[_\-. ])?(?:{WORDS})(?:[_\-. ].*|\d*)|(?:{NUMBERED})[_\-. ]?\d+", re.DOTALL)
IMAGES = {"images", "image", "imgs", "img", "jpegimages", "pictures", "photos"}
ANNOTATIONS = {"masks", "mask", "labels", "label", "annotations", "annotation", "segmentationclass", "ground_truth"}
ANNOTATIONS |= {"groundtruth", "gt", "segmentation", "segmentations", "xml", "json", "imagesets"}
# suffixes of files that are no images, as they lie beside them
OTHER = re.compile(
    r"\.(txt|md|rst|csv|tsv|jsonl?|xml|ya?ml|toml|ini|cfg|log|html?|pdf|docx?|xlsx?|ods|pptx?|parquet|feather|arrow|db|"
    r"sqlite|py|ipynb|m|r|sh|bat|exe|np[yz]|mat|h5|hdf5|pkl|pickle|pth?|onnx|keras|zip|tar|t?gz|bz2|xz|7z|rar|mp[34]|avi|"
    r"mov|mkv|wav|md5|sha1|sha256)"
)
# names of files without a suffix that are no images either
PLAIN = re.compile(
    r"(readme|licen[cs]e|copying|notice|authors|contributors|citation|changelog|changes|makefile|version|manifest|"
    r"(md5|sha1|sha256)(sums?)?|checksums?)"
)
# the end of the name of a mask that lies beside its image: `benign (1)_mask_2.png` beside `benign (1).png`
MASK = re.compile(rf"(.+)[_\-. ](?:{'|'.join(sorted(ANNOTATIONS))}|seg)(?:[_\-. ]?\d+)?", re.DOTALL)
BESIDE = "files beside the class folders"
SAY = (
    "or name the classes in the dataset's `classes` ({label: [...]}), and the level of folders with these names counts"
)
TABLE = "or use `reader: table`"


@dataclass(frozen=True)
class Layout:
    """Where the label stands in the paths of a tree.

    Attributes:
        name: a phrase for the card.
        label, split: index into a path's folders; split is None without one.
    """

    name: str
    label: int
    split: int | None = None


def find_layout(tree: Tree, where: str, classes: list[str]) -> Layout:
    """Recognize class folders, splits with class folders, class folders with splits, each perhaps in wrapping folders.

    Args:
        tree: of the raw folder.
        where: its path, for messages.
        classes: the labels that params allow, which decide where two readings are possible; empty: any.

    Raises:
        InputError: there are no classes, or two readings are possible; says how to tell which is meant.
    """
    start = _unwrapped(tree, classes)
    inner = tree.below(start)
    if not inner.tops:
        raise InputError(_no_class(inner, where))
    tops = [escaped(name) for name in inner.tops]
    _refuse_annotations(inner, where, classes)
    _refuse_masks(inner, where)
    _refuse_one_folder(inner, where, classes)
    _refuse_classes_in_folders_beside_them(inner, where, classes)
    within = f" in {escaped('/'.join(start))}/" if start else ""
    if set(tops) <= set(classes):
        layout = _class_layout(inner, where, True)
    elif _second(inner) and set(_second(inner)) <= set(classes):
        layout = Layout(f"one folder per class in each of {some(tops)}", 1, 0)
    elif all(is_split(name) for name in inner.tops):
        layout = _split_layout(inner, where, classes)
    else:
        layout = _class_layout(inner, where, False)
    depth = len(start)
    split = None if layout.split is None else layout.split + depth
    return Layout(layout.name + within, layout.label + depth, split)


def is_split(name: str) -> bool:
    """Whether a folder's name is that of a part of a dataset."""
    return SPLIT.fullmatch(name.casefold()) is not None


def looks_like_image(name: str) -> bool:
    """Whether a file's name does not say that it is anything but an image; its content decides later."""
    path = PurePath(name.lower())
    return (OTHER if path.suffix else PLAIN).fullmatch(path.suffix or path.name) is None


def _unwrapped(tree: Tree, classes: list[str]) -> Parts:
    """The folder that all others lie in: archives often wrap their content once or twice."""
    start: Parts = ()
    while True:
        inner = tree.below(start)
        if len(inner.tops) != 1 or is_split(inner.tops[0]) or escaped(inner.tops[0]) in classes:
            return start
        if _images(inner.loose) or inner.tops != _holding_folders(inner):
            return start
        start = (*start, inner.tops[0])


def _split_layout(tree: Tree, where: str, classes: list[str]) -> Layout:
    """Splits with class folders; what else lies in a split is left out later."""
    label = 1
    parts = {name: tree.below((name,)) for name in tree.tops}
    labelled = {name: part for name, part in parts.items() if part.tops}
    while labelled and all(len(part.tops) == 1 and _holding_folders(part) for part in labelled.values()):
        labelled = {name: part.below((part.tops[0],)) for name, part in labelled.items()}  # train/images/CLASS
        label += 1
    inner = {top for part in labelled.values() for top in map(escaped, _second(part))}
    if inner and inner <= set(classes):
        labelled = {name: _a_level_down(part) for name, part in labelled.items()}
        label += 1
    listed = some(escaped(name) for name in tree.tops)
    if not labelled:
        raise InputError(
            f"{where} has images in {listed}, which are names of splits, and no class folders in them. Put one folder "
            f"per class into each, {TABLE}; if these are the classes, list them in the dataset's `classes`."
        )
    splits_of = Counter(name for part in labelled.values() for name in set(part.tops))
    alone = [name for name, part in labelled.items() if all(splits_of[top] == 1 for top in part.tops)]
    if alone and len(labelled) > 1:
        raise InputError(
            f"{where} has splits ({listed}), and {escaped(alone[0])}/ shares no class folder with the others: it has "
            f"{some(map(escaped, labelled[alone[0]].tops))}. Give the classes the same names in all, or move images "
            f"without a label away, {SAY}, {TABLE}."
        )
    for name, part in labelled.items():
        _refuse_classes_in_folders_beside_them(part, f"{where}/{escaped(name)}", classes)
        if part.tops == _holding_folders(part) and not set(map(escaped, part.tops)) <= set(classes):
            _refuse_two_levels(part, f"{where}/{escaped(name)}")
    return Layout(f"splits ({listed}) with one folder per class", label, 0)


def _a_level_down(tree: Tree) -> Tree:
    """What lies in the top folders, as if it lay in one."""
    files, folders = (sorted({path[1:] for path in paths if len(path) > 1}) for paths in (tree.files, tree.folders))
    return Tree(files, folders, tree.left_out)


def _class_layout(tree: Tree, where: str, named: bool) -> Layout:
    """Class folders, or class folders with splits in each.

    Args:
        named: whether params name these classes, so that nothing else can be meant.
    """
    tops = tree.tops
    splits = [name for name in tops if is_split(name)]
    dividing = set(_holding_folders(tree)).intersection(splits)  # one may be a class, but not one with several folders
    if not named and (len(splits) > 1 or any(len(tree.below((name,)).tops) > 1 for name in dividing)):
        others = some(escaped(name) for name in tops if name not in splits)
        raise InputError(
            f"{where} has folders that are named like splits ({some(map(escaped, splits))}) beside others ({others}). "
            f"If they are splits, move the others away; if they are classes, list all in `classes`; {TABLE}."
        )
    if tops == _holding_folders(tree):
        second = _second(tree)
        if len(second) > 1 and all(map(is_split, second)) and not any(len(path) > 2 for path in tree.folders):
            return Layout(f"one folder per class with splits ({some(map(escaped, sorted(second)))}) in each", 0, 1)
        if not named:
            _refuse_two_levels(tree, where)
    return Layout("one folder per class", 0)


def _refuse_two_levels(tree: Tree, where: str) -> None:
    """Refuse folders with the same folders in them, but for one in each, such as `images`."""
    second = _second(tree)
    shared = sorted(name for name, count in second.items() if count > 1)
    if shared and len(second) > 1:
        raise InputError(
            f"{where} has folders ({some(map(escaped, tree.tops))}) with the same folders in them "
            f"({some(map(escaped, shared))}): either may be the classes. Leave one level of folders, {SAY}; "
            f"{TABLE}, which can also give groups."
        )


def _refuse_annotations(tree: Tree, where: str, classes: list[str]) -> None:
    """Refuse masks and label files in a folder beside that of the images: they are no class and no images of one."""
    names: dict[Parts, set[str]] = {}
    for path in tree.folders:
        if escaped(path[-1]) not in classes:
            names.setdefault(path[:-1], set()).add(path[-1].casefold())
    for parent, found in names.items():
        images, annotations = found & IMAGES, found & ANNOTATIONS
        if images and annotations:
            at = escaped("/".join(parent))
            raise InputError(
                f"{where} has images and annotations side by side{f' in {at}/' if at else ''} ({min(images)}/, "
                f"{some(sorted(annotations))}/). Annotations are not read: move them away, so that folders are "
                f"classes, {TABLE}."
            )


def _refuse_masks(tree: Tree, where: str) -> None:
    """Refuse masks beside their images: they would be images of the same class, and show where to look."""
    stems = {(path[:-1], PurePath(path[-1]).stem.casefold()) for path in tree.files}
    masks = sorted(
        "/".join(path)
        for path in tree.files
        if looks_like_image(path[-1])
        and (found := MASK.fullmatch(PurePath(path[-1]).stem.casefold()))
        and (path[:-1], found[1]) in stems
    )
    if masks:
        raise InputError(
            f"{where} has {len(masks):,} files that are named like masks of the images beside them, e.g. "
            f"{escaped(masks[0])}. Annotations are not read: move them away, {TABLE}; if they are images, rename them."
        )


def _refuse_classes_in_folders_beside_them(tree: Tree, where: str, classes: list[str]) -> None:
    """Refuse cat/, dog/ and more/cat/, more/dog/: `more` would be a class of cats and dogs."""
    tops = tree.tops
    if set(map(escaped, tops)) <= set(classes):
        return
    both = [path for path in tree.folders if len(path) == 2 and path[1] in tops and path[1] != path[0]]
    if both:
        within = sorted({path[0] for path in both})
        raise InputError(
            f"{where} has {some(sorted({escaped(path[1]) for path in both}))} both beside and in "
            f"{some(map(escaped, within))}. Put the images of a class into one folder, or move the others away; if "
            f"all folders at the top are classes ({some(map(escaped, tops))}), list them in `classes`; {TABLE}."
        )


def _refuse_one_folder(tree: Tree, where: str, classes: list[str]) -> None:
    """Refuse one folder with folders in it beside images: one class, or a wrapping folder and strays."""
    named = {escaped(name) for name in (*tree.tops, *_second(tree))} & {*classes}
    if tree.tops != _holding_folders(tree) or len(tree.tops) > 1 or named or is_split(tree.tops[0]):
        return
    raise InputError(
        f"{where} has {_images(tree.loose):,} files beside one folder, {escaped(tree.tops[0])}/, which has folders in "
        f"it ({some(sorted(map(escaped, _second(tree))))}). If these are the classes, move the files away, {SAY}; "
        f"{TABLE}."
    )


def _no_class(tree: Tree, where: str) -> str:
    content = "Put there one directory per class with its images (or set `reader`)"
    tables = [name for name in tree.loose if name.lower().endswith((".csv", ".tsv", ".parquet"))]
    images = _images(tree.loose)
    if tables:
        return (
            f"{where} has no class directory, but {images:,} files and a table. If it lists the images, set "
            f"`reader: table` and `table: {escaped(tables[0])}`. {content}."
        )
    there = f" ({images:,} files lie in it directly)" if images else ""
    return f"{where} has no class directory{there}. {content}, {TABLE}."


def _images(names: list[str]) -> int:
    return sum(map(looks_like_image, names))


def _holding_folders(tree: Tree) -> list[str]:
    """The top folders that hold folders, and no images directly."""
    parents = {path[0] for path in tree.folders if len(path) == 2}
    direct = {path[0] for path in tree.files if len(path) == 2 and looks_like_image(path[1])}
    return [name for name in tree.tops if name in parents - direct]


def _second(tree: Tree) -> Counter[str]:
    """Names of the folders in the top folders, and in how many of these each is."""
    return Counter(path[1] for path in tree.folders if len(path) == 2)
