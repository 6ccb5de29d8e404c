// The four designs: what is asked, which buttons answer it, and which keys press them.
//
// A choice is {answer | place, label, keys, stacked}: `keys` as events name them; `stacked` its label where images lie
// one above the other, with the second key.

const ARROWS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
const RATINGS = ["Bad", "Poor", "Fair", "Good", "Excellent"];  // ITU-T P.910, absolute category rating
const LETTERS = "ABCD";

export const hints = (key) => ARROWS[key] ?? { " ": "Space" }[key] ?? key.toUpperCase();

// Names of images that are the same beside and above one another.
const alike = (names) => [names, names];

const DESIGNS = {
  "2afc": {
    asks: () => "Which image is better?",
    names: () => [["Left", "Right"], ["Upper", "Lower"]],
    choices: (study) => [
      { answer: "left", label: "Left", keys: ["ArrowLeft", "ArrowUp", "1"], stacked: "Upper" },
      ...(study.ties ? [{ answer: "tie", label: "Tie", keys: [" ", "0"] }] : []),
      { answer: "right", label: "Right", keys: ["ArrowRight", "ArrowDown", "2"], stacked: "Lower" },
    ],
    comment: "c",
  },
  "best-of-n": {
    asks: (step) => (step === "worst" ? "Which image is worst?" : "Which image is best?"),
    names: (study) => alike([...LETTERS].slice(0, study.places)),
    choices: (study) => [...LETTERS].slice(0, study.places).map((letter, place) => (
      { place: place + 1, label: letter, keys: [letter.toLowerCase(), String(place + 1)] }
    )),
    comment: "n",  // c is an image
  },
  mos: {
    asks: () => "How good is this image?",
    names: () => alike(["Image"]),
    choices: (study) => study.scores.map((score) => (
      { answer: score, label: RATINGS[score - 1], keys: [String(score)] }
    )),
    comment: "c",
  },
  "real-or-fake": {
    asks: () => "Is this image real or fake?",
    names: () => alike(["Image"]),
    choices: () => [
      { answer: "real", label: "Real", keys: ["ArrowLeft", "r", "1"] },
      { answer: "fake", label: "Fake", keys: ["ArrowRight", "f", "2"] },
    ],
    comment: "c",
  },
};

// What a study of a design asks and offers.
export function design(study) {
  return DESIGNS[study.design];
}

// The key of an event by what it says, or where the layout has other letters by where it is.
export function pressed(event) {
  if (event.key.length > 1 || event.key === " ") return event.key;
  if (/[\x21-\x7e]/.test(event.key)) return event.key.toLowerCase();
  return /^Key[A-Z]$/.test(event.code) ? event.code[3].toLowerCase() : event.key;
}

// A button with its key.
export function button(label, key, press) {
  const element = document.createElement("button");
  element.type = "button";
  const text = document.createElement("span");
  text.textContent = label;
  element.append(text);
  if (key) {
    const hint = document.createElement("kbd");
    hint.textContent = key;
    hint.setAttribute("aria-hidden", "true");
    element.append(hint);
    element.setAttribute("aria-keyshortcuts", { Space: "Space", "←": "ArrowLeft", "→": "ArrowRight" }[key] ?? key);
  }
  element.addEventListener("click", (event) => {
    // After a click the keys are the page's again: space would else press this button once more.
    if (event.detail > 0) element.blur();
    if (element.getAttribute("aria-disabled") !== "true") press();
  });
  return element;
}
