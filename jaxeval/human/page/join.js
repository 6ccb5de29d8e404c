// Open enrolment: asks for the access code where there is one, and goes to the rater's own address.

import { once, Refusal } from "./connection.js";

const at = (id) => document.getElementById(id);
let sending = false;

async function begin() {
  try {
    const found = await once("/api/join");
    document.title = found.title;
    at("title").textContent = found.title;
    at("text").textContent = found.instructions;
    at("asked").hidden = !found.code;
    at("card").hidden = false;
    at("status").textContent = "";
    if (found.code) at("code").focus();
  } catch (error) {
    at("status").textContent = said(error);
    if (!(error instanceof Refusal)) setTimeout(begin, 2000);
  }
}

at("card").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (sending) return;
  sending = true;
  at("join").setAttribute("aria-disabled", "true");
  at("wrong").textContent = "";
  try {
    const found = await once("/join", at("asked").hidden ? {} : { code: at("code").value });
    location.replace(found.next);
  } catch (error) {
    sending = false;
    at("join").removeAttribute("aria-disabled");
    at("wrong").textContent = said(error);
    at("code").setAttribute("aria-invalid", "true");
    at("code").select();
  }
});

function said(error) {
  if (!(error instanceof Refusal)) return "The server does not answer. Check your connection.";
  return `${error.message[0].toUpperCase()}${error.message.slice(1)}.`;
}

begin();
