"""Tiny trees in the true formats of the published data sets, with real image files, all different."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

SIZE = 40  # pixels
Draw = Callable[[Path, int], None]  # writes picture number so-and-so of a data set


def picture(path: Path, number: int) -> None:
    """A JPEG whose colour tells its number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = (37 * number % 256, 91 * number % 256, 11 * number % 256)
    Image.new("RGB", (SIZE + number % 7, SIZE), colour).save(path, quality=95)


def lines(path: Path, *texts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{text}\n" for text in texts))


def stanford_cars(root: Path, classes: int, images: int, draw: Draw = picture) -> None:
    base = root / "stanford_cars"
    (base / "devkit").mkdir(parents=True)
    names = np.array([f"Car {number}" for number in range(classes)], dtype=object)
    savemat(base / "devkit" / "cars_meta.mat", {"class_names": names})
    for part, file, start in (
        ("cars_train", base / "devkit" / "cars_train_annos.mat", 0),
        ("cars_test", base / "cars_test_annos_withlabels.mat", classes * images),
    ):
        rows = np.zeros(classes * images, dtype=[("fname", object), ("class", np.uint8)])
        for number in range(len(rows)):
            rows[number] = (f"{number:05}.jpg", number % classes + 1)
            draw(base / part / f"{number:05}.jpg", start + number)
        savemat(file, {"annotations": rows})


def fgvc_aircraft(root: Path, classes: int, images: int, draw: Draw = picture) -> None:
    data = root / "fgvc-aircraft-2013b" / "data"
    lines(data / "variants.txt", *(f"737-{number}00" for number in range(classes)))
    for part, start in (("trainval", 0), ("test", classes * images)):
        numbers = range(start, start + classes * images)
        lines(
            data / f"images_variant_{part}.txt",
            *(f"{number:07} 737-{number % classes}00" for number in numbers),
        )
        for number in numbers:
            draw(data / "images" / f"{number:07}.jpg", number)


def flowers_102(root: Path, classes: int, images: int, draw: Draw = picture) -> None:
    base = root / "flowers-102"
    count = 3 * classes * images
    for number in range(1, count + 1):
        draw(base / "jpg" / f"image_{number:05}.jpg", number)
    third = count // 3
    ids = np.arange(1, count + 1)
    savemat(base / "imagelabels.mat", {"labels": (ids - 1) % classes + 1})
    savemat(
        base / "setid.mat",
        {"trnid": ids[:third], "valid": ids[third : 2 * third], "tstid": ids[2 * third :]},
    )


def caltech_101(root: Path, classes: int, images: int, draw: Draw = picture) -> None:
    base = root / "caltech101" / "101_ObjectCategories"
    for place, name in enumerate(("BACKGROUND_Google", *(f"animal_{number}" for number in range(classes)))):
        for number in range(2 * images):
            draw(base / name / f"image_{number + 1:04}.jpg", 2 * images * place + number)


def cub_2010(root: Path, classes: int, images: int, draw: Draw = picture) -> None:
    names = [f"{number + 1:03}.Bird_{number}" for number in range(classes)]
    lines(root / "lists" / "classes.txt", *names)
    for part, start in (("train", 0), ("test", images)):
        files = [f"{name}/bird_{start + n:04}.jpg" for name in names for n in range(images)]
        lines(root / "lists" / f"{part}.txt", *files)
        for number, file in enumerate(files):
            draw(root / "images" / file, classes * start + number)


def cub_2011(root: Path, classes: int, images: int, draw: Draw = picture) -> None:
    base = root / "CUB_200_2011"
    names = [f"{number + 1:03}.Bird_{number}" for number in range(classes)]
    files = [f"{name}/bird_{number:04}.jpg" for name in names for number in range(2 * images)]
    lines(base / "classes.txt", *(f"{number} {name}" for number, name in enumerate(names, 1)))
    lines(base / "images.txt", *(f"{number} {file}" for number, file in enumerate(files, 1)))
    labels = (f"{n} {names.index(file.split('/')[0]) + 1}" for n, file in enumerate(files, 1))
    lines(base / "image_class_labels.txt", *labels)
    lines(base / "train_test_split.txt", *(f"{n} {n % 2}" for n in range(1, len(files) + 1)))
    for number, file in enumerate(files):
        draw(base / "images" / file, number)


def food_101(root: Path, classes: int, images: int, draw: Draw = picture) -> None:
    base = root / "food-101"
    names = [f"dish_{number}" for number in range(classes)]
    (base / "meta").mkdir(parents=True)
    for part, start in (("train", 0), ("test", classes * images)):
        lists: dict[str, list[str]] = {name: [] for name in names}
        for number in range(start, start + classes * images):
            file = f"{names[number % classes]}/{number}"
            lists[names[number % classes]].append(file)
            draw(base / "images" / f"{file}.jpg", number)
        (base / "meta" / f"{part}.json").write_text(json.dumps(lists))


def oxford_pets(root: Path, classes: int, images: int, draw: Draw = picture) -> None:
    base = root / "oxford-iiit-pet"
    for part, start in (("trainval", 0), ("test", classes * images)):
        numbers = range(start, start + classes * images)
        names = [f"Some_cat{number % classes}_{number}" for number in numbers]
        listed = (f"{name} {number % classes + 1} 1 1" for name, number in zip(names, numbers, strict=True))
        lines(base / "annotations" / f"{part}.txt", *listed)
        for name, number in zip(names, numbers, strict=True):
            draw(base / "images" / f"{name}.jpg", number)


def _cifar(folder: Path, parts: dict[str, range], classes: int, label: str, meta: tuple[str, str]) -> None:
    """Batches as torchvision reads them; image number so-and-so has that number in its first pixel."""
    folder.mkdir(parents=True)
    for name, numbers in parts.items():
        data = np.random.RandomState(len(name)).randint(0, 256, (len(numbers), 3072), dtype=np.uint8)
        data[:, 0] = np.array(numbers)
        batch = {"data": data, label: [number % classes for number in numbers]}
        (folder / name).write_bytes(pickle.dumps(batch))
    file, key = meta
    (folder / file).write_bytes(pickle.dumps({key: [f"thing {number}" for number in range(classes)]}))


def cifar_10(root: Path, classes: int, images: int, draw: Draw = picture) -> None:
    count = classes * images
    train = {f"data_batch_{n}": range(count * (n - 1) // 5, count * n // 5) for n in range(1, 6)}
    parts = train | {"test_batch": range(count, 2 * count)}
    _cifar(root / "cifar-10-batches-py", parts, classes, "labels", ("batches.meta", "label_names"))


def cifar_100(root: Path, classes: int, images: int, draw: Draw = picture) -> None:
    count = classes * images
    parts = {"train": range(count), "test": range(count, 2 * count)}
    _cifar(root / "cifar-100-python", parts, classes, "fine_labels", ("meta", "fine_label_names"))


def _bytes(folder: Path, number: int, draw: Draw) -> bytes:
    path = folder / f"{number}.jpg"
    draw(path, number)
    data = path.read_bytes()
    path.unlink()
    return data


def parquet(root: Path, classes: int, images: int, draw: Draw = picture) -> None:
    """As Hugging Face's `datasets` writes them: two files to train on, one to test."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    root.mkdir(parents=True, exist_ok=True)
    names = [f"thing {number}" for number in range(classes)]
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    count = classes * images
    (root / "data").mkdir()
    for name, numbers in {
        "train-00000-of-00002": range(count // 2),
        "train-00001-of-00002": range(count // 2, count),
        "test-00000-of-00001": range(count, 2 * count),
    }.items():
        pictures = [{"bytes": _bytes(root, number, draw), "path": f"{number}.jpg"} for number in numbers]
        labels = pa.array([number % classes for number in numbers], pa.int64())
        table = pa.table({"image": pictures, "label": labels}).replace_schema_metadata(metadata)
        write_table(table, root / "data" / f"{name}.parquet")


def webdataset(root: Path, classes: int, images: int, draw: Draw = picture) -> None:
    """Two shards to train on, one to validate; classes as numbers."""
    root.mkdir(parents=True, exist_ok=True)
    count = classes * images
    for name, numbers in {
        "pictures-train-0": range(count // 2),
        "pictures-train-1": range(count // 2, count),
        "pictures-val-0": range(count, 2 * count),
    }.items():
        samples = {
            f"sample{number:06}": {"jpg": _bytes(root, number, draw), "cls": str(number % classes).encode()}
            for number in numbers
        }
        shard(root / f"{name}.tar", samples)


def shard(path: Path, samples: dict[str, dict[str, bytes]]) -> None:
    """A tar file of samples: name → ending → content."""
    with tarfile.open(path, "w") as archive:
        for key, files in samples.items():
            for end, content in files.items():
                member = tarfile.TarInfo(f"{key}.{end}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


WRITERS = {
    "stanford-cars": stanford_cars,
    "fgvc-aircraft": fgvc_aircraft,
    "flowers-102": flowers_102,
    "caltech-101": caltech_101,
    "cub-2010": cub_2010,
    "cub-2011": cub_2011,
    "food-101": food_101,
    "oxford-pets": oxford_pets,
    "cifar-10": cifar_10,
    "cifar-100": cifar_100,
    "parquet": parquet,
    "webdataset": webdataset,
}
