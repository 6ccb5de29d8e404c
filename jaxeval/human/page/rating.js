"use strict";

const token = location.pathname.split("/")[2];
const at = (id) => document.getElementById(id);
let shownAt = 0;

const answers = {
  "2afc": (study) => ["left", ...(study.ties ? ["tie"] : []), "right"],
  "mos": (study) => study.scores,
  "real-or-fake": () => ["real", "fake"],
  "best-of-n": (study) => {
    const places = Array.from({ length: study.places }, (_, place) => place + 1);
    return places.flatMap((best) => places.filter((worst) => worst !== best).map((worst) => ({ best, worst })));
  },
};

async function send(what, body) {
  const response = await fetch(`/api/${token}/${what}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const found = await response.json();
  if (response.ok) show(found);
  else at("progress").textContent = found.error;
}

function image(one) {
  const element = document.createElement("img");
  element.src = one.src;
  element.alt = "";
  return element;
}

function button(text, act) {
  const element = document.createElement("button");
  element.textContent = text;
  element.addEventListener("click", act);
  return element;
}

function show(state) {
  const { study, trial } = state;
  document.title = study.title;
  at("title").textContent = study.title;
  at("instructions").textContent = study.instructions;
  at("progress").textContent = `${state.done} of ${state.total}`;
  at("prompt").textContent = trial?.prompt ?? "";
  at("question").textContent = trial?.question ?? "";
  at("images").replaceChildren(...(trial ? [...(trial.reference ? [trial.reference] : []), ...trial.images].map(image) : []));
  const buttons = [];
  if (state.break) buttons.push(button("Go on after the break", () => send("break", {})));
  else if (trial) {
    for (const answer of [...answers[study.design](study), "skip"]) {
      const text = typeof answer === "object" ? `best ${answer.best}, worst ${answer.worst}` : String(answer);
      buttons.push(button(text, () => send("answer", {
        trial: trial.number,
        id: crypto.randomUUID ? crypto.randomUUID() : newId(),
        answer,
        milliseconds: Math.round(performance.now() - shownAt),
      })));
    }
  }
  if (state.undo) buttons.push(button("undo", () => send("undo", { trial: state.done })));
  at("answers").replaceChildren(...buttons);
  shownAt = performance.now();
}

// randomUUID is there only over TLS and on this machine itself.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

async function begin() {
  const response = await fetch(`/api/${token}/state`);
  const found = await response.json();
  if (response.ok) show(found);
  else at("progress").textContent = found.error;
}

begin();
