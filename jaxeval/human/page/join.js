"use strict";

const at = (id) => document.getElementById(id);

async function begin() {
  const response = await fetch("/api/join");
  const found = await response.json();
  at("title").textContent = found.title || found.error;
  at("instructions").textContent = found.instructions || "";
  at("asked").hidden = !found.code;
}

at("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const response = await fetch("/join", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code: at("code").value }),
  });
  const found = await response.json();
  if (response.ok) location.replace(found.next);
  else at("progress").textContent = found.error;
});

begin();
