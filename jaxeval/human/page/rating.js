// The page of a rater: shows trials one by one, and keeps every answer until the server has it.

import { Connection, Memory, newId } from "./connection.js";
import { button, design, hints, pressed } from "./designs.js";
import { expose, frame, masked, seen } from "./exposure.js";
import { Preloader, Stage } from "./stage.js";

const BETWEEN = 150;  // milliseconds of gray between trials, without which one image would flicker into the next
const TOO_SOON = 250;  // nobody has judged an image after so many: it is a key or finger that was still down
const SLOW = 600;  // after which the rater is told that an answer is still on its way

const LETTER = 0.53;  // the width of a letter, of the size of the font
const MOST_PROMPT = 0.2;  // of the height of the window

const at = (id) => document.getElementById(id);
const token = location.pathname.split("/")[2];
const memory = new Memory(`jaxeval ${token}`);
const connection = new Connection(token, failing);
const preloader = new Preloader();
const stage = new Stage(at("stage"), restaged);

let study = null;
let state = null;
let phase = "loading";  // loading, exposing, ready, sending, notice, broken
let run = 0;  // counts what was shown; whatever waits for something older ends
let trial = null;  // what is known of the trial that is shown: {number, at, lost, comment, best}
const past = new Map();  // by number, what is known of trials that were answered: {at, comment}
let choices = [];
let tools = {};
let began = false;

function enter(next) {
  phase = next;
  document.body.dataset.phase = next;
  const blocked = next !== "ready";
  for (const choice of choices) choice.element.setAttribute("aria-disabled", String(blocked || choice.taken === true));
  if (tools.skip) {
    tools.skip.setAttribute("aria-disabled", String(blocked && next !== "broken"));
    tools.undo.setAttribute("aria-disabled", String(!canUndo()));
    tools.undo.toggleAttribute("data-off", !state.undo && !trial?.best);  // not while an answer is on its way
    tools.comment.setAttribute("aria-disabled", String(blocked && next !== "broken"));
    tools.zoom.setAttribute("aria-disabled", String(!stage.zoomable));
  }
}

// ---- what the rater is told

function failing(tries) {
  if (!tries) {
    if (at("status").dataset.why === "connection") tell("");
    return;
  }
  const kept = memory.get("answer") ? "Your answer is kept, and sent again until it arrives." : "Trying again.";
  tell(`No answer from the server. ${kept}`, "connection");
}

function tell(text, why = "") {
  at("status").textContent = text;
  at("status").dataset.why = why;
}

function sentence(error) {
  return `${error.message[0].toUpperCase()}${error.message.slice(1)}.`;
}

// ---- the frame of the page, once

function furnish() {
  document.title = study.title;
  at("title").textContent = study.title;
  const asked = study.questions.length ? study.questions : [null];
  // All questions lie in one place, of which one is seen: the place is as large as the longest.
  at("questions").replaceChildren(...asked.map((question) => {
    const element = document.createElement("h2");
    element.dir = "auto";
    element.textContent = question ?? design(study).asks();
    return element;
  }));
  at("title").hidden = !study.questions.length && study.title === design(study).asks();
  at("prompt").hidden = study.longest_prompt === 0;
  choices = design(study).choices(study);
  for (const choice of choices) {
    choice.element = button(choice.label, choice.place ? null : hints(choice.keys[0]), () => choose(choice));
    choice.element.dataset.answer = choice.answer ?? choice.place;
    if (choice.place) choice.element.setAttribute("aria-keyshortcuts", choice.label);
  }
  at("answers").replaceChildren(...choices.map((choice) => choice.element));
  at("answers").dataset.design = study.design;
  if (study.design === "best-of-n" && study.questions.length) {
    const step = document.createElement("p");
    step.id = "step";
    at("answers").prepend(step);
  }
  const comment = design(study).comment;
  tools = {
    undo: button("Undo", "U", undo),
    skip: button("Skip", "S", () => answer("skip")),
    comment: button("Comment", comment.toUpperCase(), openComment),
    zoom: button("Zoom", "Z", () => stage.zoomOn()),
    help: button("Help", "?", openHelp),
  };
  tools.zoom.hidden = timed();
  for (const [name, element] of Object.entries(tools)) element.dataset.tool = name;
  at("tools").replaceChildren(...Object.values(tools));
  at("comment").maxLength = study.longest_comment;
  at("help-text").textContent = study.instructions;
  for (const list of [at("keys"), at("help-keys")]) list.replaceChildren(...explained());
}

// Whether every image is gone before anyone could zoom.
function timed() {
  return study.exposures.length > 0 && !study.exposures.includes(null);
}

// As high for a short prompt as for the longest, about, so that images stay where they are from trial to trial; what
// is longer can be scrolled.
function fitPrompt() {
  const prompt = at("prompt");
  const style = getComputedStyle(prompt);
  const [size, line] = [parseFloat(style.fontSize), parseFloat(style.lineHeight)];
  const lines = Math.ceil((study.longest_prompt * size * LETTER) / at("ask").clientWidth);
  const most = Math.max(1, Math.floor((innerHeight * MOST_PROMPT) / line));
  prompt.style.height = `${Math.min(most, lines > 1 ? lines + 1 : 1) * line}px`;
  const scrolls = prompt.scrollHeight > prompt.clientHeight + 1;
  if (scrolls) prompt.tabIndex = 0;
  else prompt.removeAttribute("tabindex");
  prompt.classList.toggle("more", prompt.scrollTop + prompt.clientHeight < prompt.scrollHeight - 1);
}

addEventListener("resize", () => trial && fitPrompt());
at("prompt").addEventListener("scroll", fitPrompt);

// What each key does, for the start and for help.
function explained() {
  const rows = choices.map((choice) => (choice.stacked
    ? [choice.keys.slice(0, 2).map(hints), `${choice.label}, or ${choice.stacked.toLowerCase()}`]
    : [[hints(choice.keys[0])], choice.label]));
  if (study.design === "best-of-n") {
    const letters = choices.map((choice) => choice.label);
    rows.splice(0, rows.length, [[letters[0], "…", letters.at(-1)], "The best image, then the worst"]);
  }
  rows.push(
    [["S"], "Skip: I cannot say"],
    [["U", "⌫"], "Undo: take the last answer back"],
    [[design(study).comment.toUpperCase()], "Comment"],
  );
  if (!timed()) {
    rows.push([["Z"], "Zoom; also wheel, pinch, + and\u00a0−"], [["Shift", "←→↑↓"], "Move what is zoomed; also drag"]);
  }
  rows.push([["?"], "Help and instructions"]);
  return rows.flatMap(([keys, does]) => {
    const [term, description] = [document.createElement("dt"), document.createElement("dd")];
    term.append(...keys.map((key) => {
      const element = document.createElement("kbd");
      element.textContent = key;
      return element;
    }));
    description.textContent = does;
    return [term, description];
  });
}

function restaged() {
  if (!study) return;
  for (const choice of choices) {
    if (!choice.stacked) continue;
    choice.element.firstChild.textContent = stage.stacked ? choice.stacked : choice.label;
    choice.element.lastChild.textContent = hints(choice.keys[stage.stacked ? 1 : 0]);
  }
  tools.zoom?.setAttribute("aria-pressed", String(stage.zoomed));
}

// ---- from one state to the next

function present(next) {
  state = next;
  run += 1;
  trial = null;
  preloader.keep([state.trial, state.following]);
  at("progress").hidden = false;
  at("bar").max = state.total;
  at("bar").value = state.done;
  at("count").textContent = `${state.done} of ${state.total}`;
  at("count").style.minWidth = `${2 * String(state.total).length + 4}ch`;  // or the bar moves when a digit is added
  if (!state.trial) finished();
  else if (state.break) resting();
  else if (!began) starting();
  else showTrial();
}

function notice(heading, text, buttons, { keys = false, remark = "" } = {}) {
  enter("notice");
  stage.clear();
  at("rating").hidden = true;
  at("notice").hidden = false;
  at("heading").textContent = heading;
  at("text").textContent = text;
  at("keys").hidden = !keys;
  at("remark").textContent = remark;
  at("choices").replaceChildren(...buttons);
  const first = buttons.find((one) => one.classList.contains("main"));
  (first ?? at("heading")).focus();
}

function mainButton(label, key, press) {
  const element = button(label, key, press);
  element.className = "main";
  return element;
}

const KEEP = "You can close this page at any time, and go on later under the same address.";

function starting() {
  const begin = () => {
    began = true;
    memory.set("begun", true);
    showTrial();
  };
  if (memory.get("begun") && state.trial.exposure_ms === null) return begin();
  if (memory.get("begun")) {
    return notice("Ready?", "The next image is shown for a short time. Look at the cross.", [
      mainButton("Go on", "Enter", begin), ...undoing(),
    ]);
  }
  const label = state.done ? "Go on" : "Begin";
  return notice(study.title, study.instructions, [mainButton(label, "Enter", begin), ...undoing()], { keys: true, remark: KEEP });
}

function resting() {
  const goOn = once(async () => {
    began = true;
    present(await settled(connection.send("break", {})));
  });
  notice("Time for a break", `You have done ${state.done} of ${state.total}. Rest your eyes for a moment.`, [
    mainButton("Go on", "Enter", goOn), ...undoing(),
  ], { remark: KEEP });
}

function finished() {
  notice("Finished. Thank you!", `All ${state.total} trials are done, and your answers are saved.`, undoing(), {
    remark: "You can close this page now.",
  });
}

function undoing() {
  return state.undo ? [button("Undo the last answer", "U", undo)] : [];
}

// An act that is done once, however often it is asked for.
function once(act) {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    act();
  };
}

async function showTrial() {
  const [mine, shown] = [run, state.trial];
  const again = past.get(shown.number);
  trial = { number: shown.number, at: null, best: null, comment: again?.comment ?? "", lost: leftBefore(shown.number) };
  at("notice").hidden = true;
  at("rating").hidden = false;
  const asked = shown.question === null ? 0 : study.questions.indexOf(shown.question);
  [...at("questions").children].forEach((element, place) => element.classList.toggle("asked", place === asked));
  at("prompt").textContent = shown.prompt ?? "";
  at("prompt").scrollTop = 0;
  fitPrompt();
  at("spoken").textContent = `Trial ${shown.number} of ${state.total}`;
  commented();
  stage.prepare(shown, design(study).names(study));
  step();
  enter("loading");
  const struggling = (tries, given) => {
    if (mine !== run) return;
    tell("An image does not load. Trying again.", "image");
    if (given) enter("broken");
  };
  const [images] = await Promise.all([
    preloader.of(shown, struggling),
    new Promise((resolve) => setTimeout(resolve, BETWEEN)),
  ]);
  if (mine !== run) return;
  if (at("status").dataset.why === "image") tell("");
  enter("loading");
  if (shown.exposure_ms === null) await show(images, mine);
  else if (again?.at) await ask(images, again.at);
  else await flash(images, shown.exposure_ms, mine);
}

async function show(images, mine) {
  stage.fill(images);
  await seen();
  if (mine !== run) return;
  onset(performance.now());
  stage.allowZoom();
  allow(mine, TOO_SOON);
}

async function flash(images, milliseconds, mine) {
  while (document.querySelector("dialog[open]")) await frame();  // it would lie over the image
  enter("exposing");
  const [holder] = stage.fill(images);
  const image = holder.firstChild;
  const { lasted } = await expose(holder, image, milliseconds, onset);
  if (mine !== run) return;
  image.remove();
  at("stage").dataset.exposed = lasted.toFixed(1);
  allow(mine, Math.max(0, TOO_SOON - lasted));
}

// The image was seen, and the answer to it was taken back: it is not shown a second time.
async function ask(images, shownAt) {
  const [holder] = stage.fill(images);
  const { width, height } = holder.firstChild;
  holder.replaceChildren();
  masked(holder, width, height);
  onset(shownAt);
  allow(run, TOO_SOON);
}

function onset(time) {
  trial.at = time;
  try {
    sessionStorage.setItem(`jaxeval ${token} seen`, String(trial.number));
  } catch { /* then a page that is loaded again is not noticed */ }
}

// Whether this trial was on the screen before the page was loaded (again).
function leftBefore(number) {
  if (past.has(number)) return false;
  try {
    return sessionStorage.getItem(`jaxeval ${token} seen`) === String(number);
  } catch {
    return false;
  }
}

// Lets the trial be answered, after some milliseconds.
function allow(mine, wait) {
  setTimeout(() => {
    if (mine === run) enter("ready");
  }, wait);
  enter(phase);
}

// ---- answers

function choose(choice) {
  if (phase !== "ready") return;
  if (choice.place === undefined) answer(choice.answer, choice);
  else if (trial.best === null) {
    trial.best = choice.place;
    stage.mark(choice.place, "best");
    step();
  } else if (trial.best !== choice.place) {
    stage.mark(choice.place, "worst");
    answer({ best: trial.best, worst: choice.place }, choice);
  }
}

// Of best-of-n, what is asked now.
function step() {
  if (study.design !== "best-of-n") return;
  const worst = trial.best !== null;
  // The page's own question says it; beside a question of the study it is said by the answers.
  if (study.questions.length) at("step").textContent = worst ? "Worst" : "Best";
  else at("questions").firstChild.textContent = design(study).asks(worst ? "worst" : "best");
  for (const choice of choices) {
    choice.taken = choice.place === trial.best;
    choice.element.dataset.chosen = choice.taken ? "best" : "";
  }
  enter(phase);
}

function answer(value, choice) {
  if (phase !== "ready" && !(phase === "broken" && value === "skip")) return;
  const took = trial.at === null ? 0 : Math.max(0, Math.round(performance.now() - trial.at));
  const sent = {
    trial: trial.number,
    id: newId(),
    answer: value,
    milliseconds: Math.min(took, 24 * 3600 * 1000),
    comment: trial.comment,
    focus_lost: trial.lost,
  };
  run += 1;  // an image that comes late is not shown any more
  tell("");
  past.set(trial.number, { at: trial.at, comment: trial.comment });
  if (choice) choice.element.dataset.chosen = choice.place === undefined ? "yes" : "worst";
  deliver(sent);
}

async function deliver(sent) {
  memory.set("answer", sent);
  enter("sending");
  const slow = setTimeout(() => at("status").textContent || tell("Saving …", "connection"), SLOW);
  const next = await settled(connection.send("answer", sent), () => memory.remove("answer"));
  clearTimeout(slow);
  if (at("status").dataset.why === "connection") tell("");
  memory.remove("answer");
  for (const one of choices) one.element.dataset.chosen = "";
  present(next);
}

// The state that a request led to; where the server refuses for good, where the rater is then.
async function settled(request, refused = () => {}) {
  try {
    return await request;
  } catch (error) {
    refused();
    if (error.status === 404 || error.status === 403 || error.status === 421) return broken(error);
    // Another window of this rater went on meanwhile, or the answer was none: the server knows where to go on.
    try {
      const found = await connection.state();
      tell(`${sentence(error)} This is where you are.`);
      return found;
    } catch (worse) {
      return broken(worse);
    }
  }
}

// Nothing can go on; never resolves.
function broken(error) {
  run += 1;
  notice("This does not work", sentence(error), [mainButton("Load the page again", null, () => location.reload())]);
  return new Promise(() => {});
}

function canUndo() {
  return (phase === "ready" && trial.best !== null) || (["ready", "notice", "broken"].includes(phase) && state.undo);
}

async function undo() {
  if (!canUndo()) return;
  if (phase === "ready" && trial.best !== null) {
    stage.mark(trial.best, null);
    trial.best = null;
    step();
    return;
  }
  began = true;
  run += 1;
  enter("sending");
  present(await settled(connection.send("undo", { trial: state.done })));
}

// ---- comment and help

function commented() {
  const there = Boolean(trial?.comment);
  tools.comment.classList.toggle("written", there);
  tools.comment.firstChild.textContent = there ? "Comment ✓" : "Comment";
}

function openComment() {
  if (phase !== "ready" && phase !== "broken") return;
  at("comment").value = trial.comment;
  at("commenting").showModal();
  at("comment").focus();
}

// At once, not when the dialog's event of closing comes: the next key may be the answer.
function keepComment() {
  // Halves of characters and zero bytes, which no text should have, are not sent.
  const whole = [...at("comment").value].filter((letter) => !/^[\ud800-\udfff\0]$/.test(letter));
  trial.comment = whole.join("").trim();
  commented();
}

at("commenting").addEventListener("submit", (event) => {
  if (event.submitter?.value === "keep") keepComment();
});

at("comment").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  keepComment();
  at("commenting").close();
});

function openHelp() {
  if (study && phase !== "exposing") at("help").showModal();
}

// ---- keys

const PANS = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.2], ArrowDown: [0, 0.2] };

addEventListener("keydown", (event) => {
  const inButton = event.target.closest?.("button") && (event.key === " " || event.key === "Enter");
  if (inButton && event.repeat) event.preventDefault();  // a key that is held is one press
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (inButton || document.querySelector("dialog[open]") || !study) return;
  const key = pressed(event);
  if (key === "?") act(event, openHelp);
  else if (key === "u" || key === "Backspace") act(event, undo);
  else if (at("rating").hidden) return;
  else if (event.shiftKey && key in PANS) {
    event.preventDefault();
    stage.pan(...PANS[key]);
  } else if (key === "s") act(event, () => answer("skip"));
  else if (key === design(study).comment) act(event, openComment);
  else if (key === "z") act(event, () => stage.zoomOn());
  else if (key === "+" || key === "=") act(event, () => stage.zoomBy(1));
  else if (key === "-") act(event, () => stage.zoomBy(-1));
  else if (key === "Escape") act(event, () => stage.zoomOff());
  else {
    const choice = choices.find((one) => one.keys.includes(key));
    const scrolls = event.target === at("prompt") && (key === "ArrowUp" || key === "ArrowDown");
    if (choice && !scrolls) act(event, () => choose(choice));
  }
});

// One press of a key does one thing, however long it is held.
function act(event, does) {
  event.preventDefault();
  if (!event.repeat) does();
}

// ---- leaving and coming back

const left = () => {
  if (trial) trial.lost = true;
};
document.addEventListener("visibilitychange", () => {
  if (document.hidden) left();
});
addEventListener("blur", left);
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();  // what the browser kept may be long past
});

async function begin() {
  const kept = memory.get("answer");
  let next;
  try {
    next = await connection.state();
  } catch (error) {
    return broken(error);
  }
  study = next.study;
  furnish();
  if (!kept) return present(next);
  state = next;
  return deliver(kept);  // an answer that the page was closed over; the server counts it once
}

begin();
