"""Writes small but complete GGUF files: metadata, a tokenizer and pseudo-random weights.

Only what the engine needs in order to load and run a model; the format is that of version 3, little-endian
(https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
"""
import random
import struct

ALIGNMENT = 32
# name: (id, elements per block, bytes per block); docs/METHOD.md has the full table.
TYPES = {"f32": (0, 1, 4), "f16": (1, 1, 2), "q4_0": (2, 32, 18), "q8_0": (8, 32, 34)}
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
PATTERN_BLOCKS = 4099  # A prime, so that repeats do not line up with rows.


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value_of(value):
    """A metadata value with its type in front."""
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    return struct.pack("<I", 9) + array_of(value)


def array_of(values):
    if isinstance(values[0], str):
        return struct.pack("<IQ", 8, len(values)) + b"".join(text(value) for value in values)
    if isinstance(values[0], float):
        return struct.pack(f"<IQ{len(values)}f", 6, len(values), *values)
    return struct.pack(f"<IQ{len(values)}i", 5, len(values), *values)


def tokenizer(vocabulary):
    """A sentencepiece-like vocabulary: three specials, the 256 bytes, then made-up words."""
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    kinds = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256
    words = vocabulary - len(tokens)
    tokens += [f"w{index}" for index in range(words)]
    kinds += [NORMAL] * words
    return {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.scores": [0.0] * vocabulary, "tokenizer.ggml.token_type": kinds,
            "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
            "tokenizer.ggml.unknown_token_id": 0}


def tensor_bytes(shape, kind):
    _, elements, size = TYPES[kind]
    if shape[0] % elements:
        raise ValueError(f"rows of {shape[0]} elements do not divide into blocks of {kind}")
    count = 1
    for dimension in shape:
        count *= dimension
    return count // elements * size


def pattern(kind, source):
    """Blocks of small random weights, each with a finite scale."""
    if kind == "f32":
        return b"".join(struct.pack("<f", source.uniform(-0.05, 0.05)) for _ in range(PATTERN_BLOCKS))
    if kind == "f16":
        return b"".join(struct.pack("<e", source.uniform(-0.05, 0.05)) for _ in range(PATTERN_BLOCKS))
    size = TYPES[kind][2] - 2
    return b"".join(struct.pack("<e", source.uniform(0.0001, 0.001)) + source.randbytes(size)
                    for _ in range(PATTERN_BLOCKS))


def write_data(file, size, data):
    while size > 0:
        file.write(data[:size])
        size -= len(data)


def padding(size):
    return -size % ALIGNMENT


def write(path, metadata, tensors, seed=1):
    """`tensors`: (name, shape with the row length first, type name) in the order of the file."""
    source = random.Random(seed)
    patterns = {kind: pattern(kind, source) for kind in {kind for _, _, kind in tensors}}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += text(key) + value_of(value)
    offset = 0
    for name, shape, kind in tensors:
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, TYPES[kind][0], offset)
        size = tensor_bytes(shape, kind)
        offset += size + padding(size)
    with open(path, "wb") as file:
        file.write(head + bytes(padding(len(head))))
        for _, shape, kind in tensors:
            size = tensor_bytes(shape, kind)
            write_data(file, size, patterns[kind])
            file.write(bytes(padding(size)))
