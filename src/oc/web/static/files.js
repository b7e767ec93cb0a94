// Files of a sandbox: uploads with their progress, new directories, deletion. Pages are made by the server.
"use strict";

const LARGEST = 2 * 2 ** 30; // bytes of one upload that the server takes
const listing = () => document.getElementById("files");
const fileCall = (path, what = "") => `/sandboxes/${(listing() ?? document.getElementById("file")).dataset.sandbox}/files${what}?path=${encodeURIComponent(path)}`;
const inDirectory = (name) => `${decodeURIComponent(listing().dataset.directory).replace(/\/$/, "")}/${name}`;
const pathOf = (element) => decodeURIComponent(element.dataset.path); // HTML does not keep a carriage return as it is
const nameOf = (path) => path.slice(path.lastIndexOf("/") + 1);

async function showAgain() {
  const uploads = document.querySelector("[data-uploads]");
  await htmx.ajax("GET", location.pathname + location.search, { target: "#files", select: "#files", swap: "outerHTML" });
  document.querySelector("[data-uploads]")?.replaceWith(uploads); // what is still on its way is not forgotten
}

async function remove(path) {
  if (!confirm(`Delete ${nameOf(path)}? What is deleted does not come back.`)) return;
  try {
    await callApi("DELETE", fileCall(path));
  } catch (error) {
    sayRefused(error);
    return;
  }
  if (listing()) {
    await showAgain();
    say("good", `${nameOf(path)} is deleted.`);
    listing().querySelector("a.entry")?.focus();
  } else {
    location.assign(document.getElementById("file").dataset.parent);
  }
}

async function makeDirectory(form) {
  const name = form.elements.name.value;
  if (name.includes("/") || name === "." || name === "..") {
    say("bad", "A name has no / in it, and is neither . nor ..");
    return;
  }
  try {
    await callApi("POST", fileCall(inDirectory(name), "/mkdir"));
  } catch (error) {
    sayRefused(error);
    return;
  }
  await showAgain();
  say("good", `${name} is made.`);
}

// --- uploads, one after the other ---

const waiting = [];
let uploading = false;

function row(file) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  const bar = document.createElement("progress");
  const state = document.createElement("span");
  const stop = document.createElement("button");
  name.textContent = file.name;
  name.className = "name";
  bar.max = 1;
  bar.value = 0;
  bar.setAttribute("aria-label", `Upload of ${file.name}`);
  state.className = "quiet";
  state.textContent = "waiting";
  stop.type = "button";
  stop.className = "small";
  stop.textContent = "Stop";
  item.append(name, bar, state, stop);
  return { item, bar, state, stop };
}

function end(shown, kind, text) {
  shown.item.className = kind;
  shown.state.textContent = text;
  shown.bar.remove();
  shown.stop.textContent = "Dismiss";
  shown.stop.onclick = () => {
    const list = shown.item.parentElement;
    shown.item.remove();
    if (list && !list.children.length) list.hidden = true;
  };
}

// Resolves with the words of what went wrong, or "".
function send(file, path, shown) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much has been sent
    request.open("PUT", `/app/api${fileCall(path)}`);
    request.setRequestHeader("X-CSRF-Token", token);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => {
      shown.bar.value = event.loaded / (event.total || 1);
      shown.state.textContent = `${Math.floor(100 * shown.bar.value)} %`;
    };
    request.onload = () => resolve(request.status < 300 ? "" : readProblem(request.responseText).error ?? `the server answered ${request.status}`);
    request.onerror = () => resolve("the connection was lost");
    request.onabort = () => resolve("stopped");
    shown.stop.onclick = () => request.abort();
    request.send(file);
  });
}

async function upload({ file, path, shown }) {
  if (shown.stopped) return;
  shown.state.textContent = "0 %";
  const problem = file.size > LARGEST ? "larger than the 2 GiB that can be uploaded" : await send(file, path, shown);
  end(shown, problem ? "bad" : "good", problem || "uploaded");
  await showAgain();
}

function accepted(file) {
  const there = [...listing().querySelectorAll("tr[data-path]")].some((line) => pathOf(line) === inDirectory(file.name));
  return !there || confirm(`${file.name} is there already. Replace it?`);
}

async function uploadAll(files) {
  const list = document.querySelector("[data-uploads]");
  for (const file of files) {
    if (!accepted(file)) continue;
    const shown = row(file);
    shown.stop.onclick = () => { shown.stopped = true; end(shown, "bad", "stopped"); };
    list.append(shown.item);
    list.hidden = false;
    waiting.push({ file, path: inDirectory(file.name), shown });
  }
  if (uploading) return;
  uploading = true;
  while (waiting.length) await upload(waiting.shift());
  uploading = false;
}

// A directory that is dropped is of no use: its files cannot be read as one.
function dropped(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const files = items.filter((item) => !item.webkitGetAsEntry?.()?.isDirectory).map((item) => item.getAsFile());
  if (files.length < items.length) say("warn", "Directories are not uploaded.", "Pack them into an archive first, and unpack it in the terminal.");
  return files;
}

// --- events; the listing is replaced now and then, so they are caught above it ---

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("delete" in button.dataset) remove(pathOf(button.closest("[data-path]")));
  const form = document.querySelector("[data-new]");
  if ("make" in button.dataset) { form.hidden = false; form.elements.name.focus(); }
  if ("cancel" in button.dataset) { form.hidden = true; document.querySelector("[data-make]").focus(); }
});

document.addEventListener("submit", (event) => {
  if (!("new" in event.target.dataset)) return;
  event.preventDefault();
  makeDirectory(event.target);
});

document.addEventListener("change", (event) => {
  if (!("upload" in event.target.dataset)) return;
  uploadAll([...event.target.files]);
  event.target.value = "";
});

const carriesFiles = (event) => listing() && event.dataTransfer?.types.includes("Files");

document.addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  listing().classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) listing()?.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  listing().classList.remove("over");
  uploadAll(dropped(event.dataTransfer));
});
addEventListener("beforeunload", (event) => {
  if (uploading) event.preventDefault();
});
