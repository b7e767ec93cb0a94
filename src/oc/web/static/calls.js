// Calls of the API from scripts of our pages, and what came of them in words.
"use strict";

class Refused extends Error {
  constructor(status, problem) {
    super(problem.error ?? `the server answered ${status}`);
    this.status = status;
    this.hint = problem.hint ?? "";
  }
}

const AWAY = { error: "The server does not answer", hint: "It is tried again when you ask for it again." };

function readProblem(text) {
  try {
    return JSON.parse(text);
  } catch { // what stands before our server may answer in HTML
    return {};
  }
}

// Returns the answer's JSON, or null where it has none. Throws Refused.
async function callApi(method, path, body) {
  const headers = { "X-CSRF-Token": token };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`/app/api${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Refused(0, AWAY);
  }
  const text = await answer.text();
  if (!answer.ok) throw new Refused(answer.status, readProblem(text));
  return text ? JSON.parse(text) : null;
}

// Where all pages show messages; `kind` is a class of style.css.
function say(kind, text, hint = "") {
  const message = document.createElement("p");
  message.className = `message ${kind}`;
  const strong = document.createElement("strong");
  strong.textContent = text;
  message.append(strong);
  if (hint) message.append(document.createElement("br"), hint);
  document.getElementById("messages").replaceChildren(message);
}

function sayRefused(error) {
  if (!(error instanceof Refused)) throw error;
  say("bad", error.message, error.hint);
}
