"""The server of a study: an ASGI application, and its HTTP interface, which pages are written against.

Every rater has a link, `/r/TOKEN`, whose 256 random bits are the only key to the session. Everything below is JSON in
UTF-8 unless it says otherwise. Numbers of trials and places count from 1.

`GET /r/TOKEN`
  The page (HTML, the same for everyone: `page/index.html`). It finds TOKEN in its own address. 404 (plain text) where
  nobody has this link.

`GET /static/NAME`
  A file of the folder `page/` (.css, .js, .svg, .woff2).

`GET /api/TOKEN/state`
  Where the rater is::

    {"study": {"title": "...", "instructions": "plain text, may have several lines, may be empty",
               "design": "2afc" | "best-of-n" | "mos" | "real-or-fake",
               "ties": true,                    of 2afc: whether "tie" is an answer
               "places": 2,                     how many images a trial shows: 2, 3, 4 or 1
               "questions": ["..."],            all that are asked; empty where the page asks what the design asks
               "exposures": [250, null],        of real-or-fake, in milliseconds, null without limit; else empty
               "scores": [1, 2, 3, 4, 5],       of mos; else empty
               "longest_prompt": 240,           in characters; 0 where the study has none
               "longest_comment": 2000},        in characters
     "total": 60,                               trials of the session
     "done": 12,                                trials that are answered, which are the first 12
     "undo": true,                              whether the last answer (that of trial 12) can be taken back
     "break": false,                            whether a break is due; POST break goes on
     "trial": {...} | null,                     the present one (number 13); null when the session is finished
     "following": {...} | null}                 the one after it, for preloading

  A trial is::

    {"number": 13,
     "images": [{"src": "/image/TOKEN/13/1", "width": 512, "height": 512}, ...],   in their places, from the left
     "reference": {"src": "/image/TOKEN/13/reference", "width": ..., "height": ...} | null,
     "prompt": "..." | null,
     "question": "..." | null,                  null: the page asks what the design asks
     "exposure_ms": 250 | null}                 null: without limit

`GET /image/TOKEN/TRIAL/PLACE`
  `image/png`. Only of trials that the rater has had, has, or has next; 404 of others. It is not to be cached
  (`no-store`): a page that preloads keeps the element that it loaded and puts that into the document.

`POST /api/TOKEN/answer`, with::

    {"trial": 13,                               the present one
     "id": "6f1c0a5e-...",                      a UUID in lower case that the page draws, new for each answer
     "answer": "left" | "right" | "tie" | "skip"                2afc
               {"best": 1, "worst": 3} | "skip"                 best-of-n, places
               4 | "skip"                                       mos
               "real" | "fake" | "skip",                        real-or-fake
     "milliseconds": 2315,                      from when the images were seen to the answer, 0 to 86,400,000
     "comment": "...",                          may be missing; at most 2,000 characters
     "focus_lost": false}                       may be missing; whether the page was left during the trial

  200 with the new state once the answer is durable. The same again (after a broken connection or a 503, with the same
  id) gives 200 and changes nothing. 409 where the trial is not the present one (load the state again), or another
  answer has this id.

`POST /api/TOKEN/undo`, with `{"trial": 12}`, the last that is answered (`done` of the state)
  Takes its answer back; 200 with the new state. Where it is not the last one, nothing is changed: sent twice it takes
  back one.

`POST /api/TOKEN/break`, with `{}`
  The break is over; 200 with the new state.

`GET /`
  The page of open enrolment (`page/join.html`); 404 (plain text) where raters have links of their own.

`GET /api/join`
  `{"title": "...", "instructions": "...", "code": true}`: whether an access code is asked for. 404 as for `GET /`.

`POST /join`, with `{"code": "..."}` (or `{}` where none is asked for)
  201 with `{"next": "/r/TOKEN"}`, which the page goes to (`location.replace`). 403 where the code is wrong, 409 where
  there are as many raters as may be.

Errors are `{"error": "a sentence"}` with the status: 400 the body is not what is said above, 403 another site's page,
404 nobody's link or nothing there, 405, 409 as above, 413 more than 32 KiB, 415 not `application/json`, 421 asked under
a name that is not the server's, 429 too often, and 503 the database is away for a moment; the last two have
`Retry-After`, in seconds, after which the same request may be sent again. A POST needs the header Origin of this
server, which browsers send by themselves. Pages run under a content security policy without inline scripts, styles and
other servers; texts of the state are plain, and are put into a page as text (`textContent`), never as HTML.
"""

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
from sqlalchemy import exc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from jaxeval.errors import InputError, said_by
from jaxeval.human._guard import MOST_BYTES, Guard, Site
from jaxeval.human._limits import Buckets, Rate
from jaxeval.human.access import is_code
from jaxeval.human.database import AWAY
from jaxeval.human.designs import SCORES, kept_answer
from jaxeval.human.store import Answer, ConflictError, FullError, Session, Store, Trial
from jaxeval.human.study import Study, read_image

LONGEST_COMMENT = 2_000
_LONGEST_MS = 24 * 3600 * 1000
_MOST_TRIALS = 10**6
_BODY_S = 10  # in which the body of a request has to be there
_READERS = 8  # threads that read the database and images
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PAGE = Path(__file__).parent / "page"
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
# Of one rater: much faster than anyone answers, with the images of a trial and the next.
_PER_RATER = Rate(burst=120, per_second=20)
# Of one address: links that are nobody's, and tries of the access code; the code's also of all addresses together.
_WRONG_LINKS = Rate(burst=30, per_second=0.5)
_JOINING = Rate(burst=10, per_second=0.1)
_JOINING_OF_ALL = Rate(burst=200, per_second=5)
_LOG = logging.getLogger("jaxeval.human")


def make_app(study: Study, store: Store, site: Site, *, most_raters: int | None = None) -> Guard:
    """The application that serves a study, for uvicorn or another ASGI server.

    Args:
      study: the study.
      store: its votes.
      site: under which names it is asked.
      most_raters: how many may join by themselves, with the access code where the study has one; None where raters have
        links.
    """
    service = _Service(study, store, most_raters)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await anyio.to_thread.run_sync(store.close)

    routes = [
        Route("/", service.join_page),
        Route("/join", service.join, methods=["POST"]),
        Route("/api/join", service.join_state),
        Route("/r/{token}", service.page),
        Route("/static/{name}", service.static),
        Route("/api/{token}/state", service.state),
        Route("/api/{token}/answer", service.answer, methods=["POST"]),
        Route("/api/{token}/undo", service.undo, methods=["POST"]),
        Route("/api/{token}/break", service.rest, methods=["POST"]),
        Route("/image/{token}/{trial}/{place}", service.image),
    ]
    handlers: dict[Any, Any] = {HTTPException: _refusal, **dict.fromkeys((*AWAY, exc.TimeoutError), _away)}
    return Guard(Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers), site)


async def _refusal(_: Request, error: Any) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _away(_: Request, error: Any) -> Response:
    _LOG.error("the database cannot be used: %s", said_by(error))
    return JSONResponse({"error": "the server is busy; try again"}, 503, {"Retry-After": "1"})


class _Service:
    """Answers the requests of raters; see the module's docstring."""

    def __init__(self, study: Study, store: Store, most_raters: int | None):
        self._study, self._store, self._most_raters = study, store, most_raters
        # All that a path can name is known now: no text of a request becomes the name of a file.
        self._files = {
            path.name: (path.read_bytes(), _KINDS[path.suffix]) for path in _PAGE.iterdir() if path.suffix in _KINDS
        }
        self._threads = anyio.CapacityLimiter(_READERS)
        self._raters, self._wrong_links = Buckets(_PER_RATER), Buckets(_WRONG_LINKS)
        self._joining, self._joining_of_all = Buckets(_JOINING), Buckets(_JOINING_OF_ALL)
        options = study.options
        self._of_study = {
            "title": study.title,
            "instructions": study.instructions,
            "design": study.design,
            "ties": study.design == "2afc" and options.ties,
            "places": study.places,
            "questions": list(options.questions),
            "exposures": list(options.exposures),
            "scores": list(SCORES) if study.design == "mos" else [],
            "longest_prompt": max(len(item.prompt) for item in study.items),
            "longest_comment": LONGEST_COMMENT,
        }

    async def page(self, request: Request) -> Response:
        try:
            await self._rater(request)
        except HTTPException as error:
            return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)
        return self._file("index.html")

    async def join_page(self, request: Request) -> Response:
        if self._most_raters is None:
            return PlainTextResponse("This study is by invitation: use the link that you were given.\n", 404)
        return self._file("join.html")

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._files or name.endswith(".html"):
            raise HTTPException(404, "there is no such file")
        return self._file(name)

    def _file(self, name: str) -> Response:
        content, kind = self._files[name]
        return Response(content, media_type=kind)

    async def state(self, request: Request) -> Response:
        rater = await self._rater(request)
        session = await self._read(self._store.session, rater)
        return JSONResponse(self._shown(session, request.path_params["token"]))

    async def answer(self, request: Request) -> Response:
        rater = await self._rater(request)
        answer = self._read_answer(await _body(request))
        try:
            session: Session = await asyncio.wrap_future(self._store.answer(rater, answer))
        except ConflictError as error:
            raise HTTPException(409, str(error)) from error
        return JSONResponse(self._shown(session, request.path_params["token"]))

    async def undo(self, request: Request) -> Response:
        rater = await self._rater(request)
        body = await _body(request)
        _check_keys(body, {"trial"})
        trial = _whole(body, "trial", 1, _MOST_TRIALS)
        session: Session = await asyncio.wrap_future(self._store.undo(rater, trial))
        return JSONResponse(self._shown(session, request.path_params["token"]))

    async def rest(self, request: Request) -> Response:
        rater = await self._rater(request)
        _check_keys(await _body(request), set())
        session: Session = await asyncio.wrap_future(self._store.rest(rater))
        return JSONResponse(self._shown(session, request.path_params["token"]))

    async def image(self, request: Request) -> Response:
        rater = await self._rater(request)
        number, place = request.path_params["trial"], request.path_params["place"]
        if not re.fullmatch(r"[1-9][0-9]{0,5}", number):
            raise HTTPException(404, "there is no such image")
        data = await self._read(self._image, rater, int(number), place)
        return Response(data, media_type="image/png")

    def _image(self, rater: int, number: int, place: str) -> bytes:
        trial = self._store.trial(rater, number)
        files = {} if trial is None else self._files_of(trial)
        if place not in files:
            raise HTTPException(404, "there is no such image")
        try:
            return read_image(self._study, files[place])
        except InputError as error:  # whoever runs the server has to know, and nobody is shown something else
            _LOG.error("%s", error)
            raise HTTPException(500, "this image cannot be shown; tell whoever gave you the link") from error

    async def join_state(self, request: Request) -> Response:
        self._check_open()
        study = self._study
        found = {"title": study.title, "instructions": study.instructions, "code": study.access is not None}
        return JSONResponse(found)

    async def join(self, request: Request) -> Response:
        most = self._check_open()
        body = await _body(request)
        _check_keys(body, {"code"}, optional={"code"})
        wait = self._joining.wait(_address(request)) or self._joining_of_all.wait("")
        if wait:
            raise HTTPException(429, "too many tries; wait a little", {"Retry-After": str(wait)})
        if self._study.access is not None:
            code = _text(body, "code", 200)
            if not await self._read(is_code, code, self._study.access):
                raise HTTPException(403, "this is not the access code")
        try:
            (token,) = await self._read(self._store.join, 1, most)
        except FullError as error:
            raise HTTPException(409, "there are as many raters as are wanted; thank you") from error
        return JSONResponse({"next": f"/r/{token}"}, 201)

    def _check_open(self) -> int:
        if self._most_raters is None:
            raise HTTPException(404, "this study is by invitation")
        return self._most_raters

    async def _read(self, function: Any, *arguments: Any) -> Any:
        return await anyio.to_thread.run_sync(function, *arguments, limiter=self._threads)

    async def _rater(self, request: Request) -> int:
        """The number of the rater whose link it is."""
        token = request.path_params["token"]
        number = await self._read(self._store.rater, token) if _TOKEN.fullmatch(token) else None
        if number is None:
            wait = self._wrong_links.wait(_address(request))
            if wait:
                raise HTTPException(429, "too many links that are nobody's", {"Retry-After": str(wait)})
            raise HTTPException(404, "this link is nobody's; use it as it was given, whole")
        if (wait := self._raters.wait(number)) > 0:
            raise HTTPException(429, "too fast; wait a little", {"Retry-After": str(wait)})
        return number

    def _read_answer(self, body: dict[str, Any]) -> Answer:
        _check_keys(
            body,
            {"trial", "id", "answer", "milliseconds", "comment", "focus_lost"},
            optional={"comment", "focus_lost"},
        )
        identity = _text(body, "id", 36)
        if not _UUID.fullmatch(identity):
            raise HTTPException(400, "id must be a UUID in lower case")
        lost = body.get("focus_lost", False)
        if not isinstance(lost, bool):
            raise HTTPException(400, "focus_lost must be true or false")
        study = self._study
        try:
            kept = kept_answer(study.design, body["answer"], ties=study.options.ties, shown=study.places)
        except InputError as error:
            raise HTTPException(400, str(error)) from error
        return Answer(
            id=identity,
            trial=_whole(body, "trial", 1, _MOST_TRIALS),
            answer=kept,
            milliseconds=_whole(body, "milliseconds", 0, _LONGEST_MS),
            comment=_text(body, "comment", LONGEST_COMMENT).strip() if "comment" in body else "",
            focus_lost=lost,
        )

    def _shown(self, session: Session, token: str) -> dict[str, Any]:
        """The state of a session as a page gets it."""
        every, trials = self._study.options.break_every, session.trials
        due = every is not None and session.done - session.rested >= every and session.done < session.total
        return {
            "study": self._of_study,
            "total": session.total,
            "done": session.done,
            "undo": session.done > 0,
            "break": due,
            "trial": self._trial(trials[0], token) if trials else None,
            "following": self._trial(trials[1], token) if len(trials) > 1 else None,
        }

    def _trial(self, trial: Trial, token: str) -> dict[str, Any]:
        study, item = self._study, self._study.items[trial.item]
        images = {}
        for place, file in self._files_of(trial).items():
            known = study.images[file]
            source = f"/image/{token}/{trial.number}/{place}"
            images[place] = {"src": source, "width": known.width, "height": known.height}
        reference = images.pop("reference", None)
        return {
            "number": trial.number,
            "images": list(images.values()),
            "reference": reference,
            "prompt": item.prompt or None,
            "question": None if trial.question is None else study.options.questions[trial.question],
            "exposure_ms": trial.exposure,
        }

    def _files_of(self, trial: Trial) -> dict[str, str]:
        """The files of a trial by their places."""
        study, item = self._study, self._study.items[trial.item]
        if trial.known is not None:
            shown = [study.known[trial.known].shown[one][1] for one in trial.shown]
        else:
            shown = [study.file_of(trial.item, one) for one in trial.shown]
        files = {str(place): file for place, file in enumerate(shown, 1)}
        if study.design != "real-or-fake" and item.reference is not None:
            files["reference"] = item.reference
        return files


def _address(request: Request) -> str:
    return "" if request.client is None else request.client.host


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that a request has."""
    data = b""
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.stream():
                data += chunk
                if len(data) > MOST_BYTES:
                    raise HTTPException(413, f"the most is {MOST_BYTES:,} bytes", {"Connection": "close"})
    except (TimeoutError, ClientDisconnect) as error:
        raise HTTPException(408, "the request did not come to its end", {"Connection": "close"}) from error
    try:
        body = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "the body is no JSON in UTF-8") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "the body must be an object")
    return body


def _check_keys(body: dict[str, Any], known: set[str], optional: set[str] = frozenset()) -> None:  # pyright: ignore
    if not known - optional <= set(body) <= known:
        names = ", ".join(sorted(known)) or "nothing"
        raise HTTPException(400, f"the body must have {names}")


def _whole(body: dict[str, Any], name: str, least: int, most: int) -> int:
    value = body[name]
    if type(value) is not int or not least <= value <= most:
        raise HTTPException(400, f"{name} must be a whole number from {least:,} to {most:,}")
    return value


def _text(body: dict[str, Any], name: str, longest: int) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > longest:
        raise HTTPException(400, f"{name} must be a text of at most {longest:,} characters")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise HTTPException(400, f"{name} must be a text without zero bytes and halves of characters")
    return value
