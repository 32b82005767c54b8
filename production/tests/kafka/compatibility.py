"""Compatibility: whether a reader's Avro schema can read what a writer's wrote (Avro 1.12, schema resolution)."""

NUMBERS = {"int": {"long", "float", "double"}, "long": {"float", "double"}, "float": {"double"}}
PROMOTIONS = NUMBERS | {"string": {"bytes"}, "bytes": {"string"}}


def find_breaks(reader, writer):
    """What of the writer's records the reader cannot read, as sentences; none if all of it can be read."""
    return list(_breaks(reader, writer, _names_of(reader), _names_of(writer), "", frozenset()))


def _names_of(schema, names=None):
    names = {} if names is None else names
    if isinstance(schema, list):
        for branch in schema:
            _names_of(branch, names)
    elif isinstance(schema, dict):
        if "name" in schema and schema["type"] in ("record", "enum", "fixed"):
            names[schema["name"].rpartition(".")[2]] = schema
        for inner in [
            *(field["type"] for field in schema.get("fields", [])),
            schema.get("items"),
            schema.get("values"),
        ]:
            _names_of(inner, names)
    return names


def _breaks(reader, writer, readers, writers, path, seen):
    reader, writer = _resolve(reader, readers), _resolve(writer, writers)
    pair = (id(reader), id(writer))
    if pair in seen:  # a recursive schema: this pair is being looked at already
        return
    inner = (readers, writers, path, seen | {pair})
    if isinstance(writer, list):
        for branch in writer:
            yield from _breaks(reader, branch, *inner)
    elif isinstance(reader, list):
        if not any(not list(_breaks(branch, writer, *inner)) for branch in reader):
            yield f"{path or 'the schema'}: nothing in the reader's union reads {_kind(writer)}"
    elif _kind(reader) != _kind(writer):
        if _kind(reader) not in PROMOTIONS.get(_kind(writer), set()):
            yield f"{path or 'the schema'}: {_kind(reader)} cannot read {_kind(writer)}"
    else:
        yield from _breaks_inside(reader, writer, *inner)


def _breaks_inside(reader, writer, readers, writers, path, seen):
    match _kind(reader):
        case "record":
            written = {field["name"]: field["type"] for field in writer["fields"]}
            for field in reader["fields"]:
                here = f"{path}.{field['name']}"
                known = next((name for name in (field["name"], *field.get("aliases", [])) if name in written), None)
                if known is not None:
                    yield from _breaks(field["type"], written[known], readers, writers, here, seen)
                elif "default" not in field:
                    yield f"{here}: the writer has no such field and the reader no default"
        case "enum":
            missing = set(writer["symbols"]) - set(reader["symbols"])
            if missing and "default" not in reader:
                yield f"{path}: the reader does not know {sorted(missing)}"
        case "array":
            yield from _breaks(reader["items"], writer["items"], readers, writers, f"{path}[]", seen)
        case "map":
            yield from _breaks(reader["values"], writer["values"], readers, writers, f"{path}{{}}", seen)
        case "fixed" if reader["size"] != writer["size"]:
            yield f"{path}: {reader['size']} bytes cannot read {writer['size']}"


def _resolve(schema, names):
    return names.get(schema.rpartition(".")[2], schema) if isinstance(schema, str) else schema


def _kind(schema):
    while isinstance(schema, dict):
        schema = schema["type"]
    return schema
