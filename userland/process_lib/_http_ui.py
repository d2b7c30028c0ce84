"""Serving files of the package (PROTOCOL 5.6)."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, unquote

from kernel.address import Address
from kernel.message import Payload
from sys_processes.http_server.protocol import HttpResponse
from userland.process_lib._builders import Response
from userland.process_lib._http_bind import bind_http_static_path
from userland.process_lib._mime import get_mime_type
from userland.process_lib._vfs import VfsError, list_files, read_file

_AS_BROWSERS_LEAVE_IT = "/!$&'()+,;=:@[]|"


def ui_folder(our: Address, directory: str) -> str:
    """The folder below `pkg/`, which may be named: `ui`, `/ui/` and `pkg/ui` are the same. In the drive's spelling."""
    inside = directory.strip("/")
    inside = "" if inside == "pkg" else inside.removeprefix("pkg/").strip("/")
    return f"/{our.package_id}/pkg/{inside}".rstrip("/")


async def static_file(path: str) -> Payload:
    """A file of the drive as it is served. Raises `VfsError`, `SendError`."""
    return Payload(get_mime_type(path), await read_file(path))


async def ui_paths(folder: str, roots: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Each file below a folder with the paths that serve it; `index.html` is also at each of `roots`.

    Raises as `static_file`, also for a folder without an `index.html`.
    """
    index = f"{folder}/index.html"
    files = await list_files(folder)
    if index not in files:
        await read_file(index)
    found: list[tuple[str, list[str]]] = []
    for file in [index, *(file for file in files if file != index)]:
        # Requests are compared as they come, and browsers ask with percent signs.
        own = quote(file.removeprefix(folder), safe=_AS_BROWSERS_LEAVE_IT)
        found.append((file, [*roots, own] if file == index else [own]))
    return found


async def serve_index_html(
    our: Address,
    directory: str,
    authenticated: bool = True,
    local_only: bool = False,
    paths: Iterable[str] = ("/",),
) -> None:
    """Have http_server serve `pkg/{directory}/index.html` at `/`, to those who are logged in, unless told otherwise.

    Raises `VfsError`, `HttpServerError`, `SendError`.
    """
    page = await static_file(f"{ui_folder(our, directory)}/index.html")
    for path in paths:
        await bind_http_static_path(path, authenticated, local_only, page.mime, page.bytes)


async def serve_ui(
    our: Address,
    directory: str,
    authenticated: bool = True,
    local_only: bool = False,
    paths: Iterable[str] = ("/",),
) -> None:
    """`serve_index_html`, and every file below `pkg/{directory}` at its path. Raises as that does."""
    for file, targets in await ui_paths(ui_folder(our, directory), list(paths)):
        content = await static_file(file)
        for path in targets:
            await bind_http_static_path(path, authenticated, local_only, content.mime, content.bytes)


async def handle_ui_asset_request(our: Address, directory: str, path: str) -> None:
    """Answer the HTTP call that is the prompting message with the file that it asks for.

    `path` is `request.path()`, or any URL or path with our process id in it; `/` asks for `index.html`.
    Raises `VfsError` for what is no file below `pkg/{directory}`, and then nothing is answered; `SendError`.
    """
    _, found, below = path.partition(str(our.process))
    asked = unquote(below if found else path).strip("/") or "index.html"
    if ".." in asked.split("/"):
        raise VfsError(f"{path} is not below {directory}", "a path with '..' in it is never served")
    await read_file(f"{ui_folder(our, directory)}/{asked}")
    response = HttpResponse(200, {"Content-Type": get_mime_type(asked)})
    Response().ipc(response.to_bytes()).inherit(True).send()
