// xterm.js as our pages use it: our colours, nothing that what it shows could do beyond its own rectangle.
"use strict";

const PALETTE = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const LIGHT = ["#1c1d1f", "#b42318", "#15803d", "#8a6100", "#1d4ed8", "#9333a8", "#0f766e", "#62656b"];
const DARK = ["#41444a", "#f87171", "#4ade80", "#facc15", "#7aa2f7", "#d8a0ea", "#2dd4bf", "#e7e8ea"];
const dark = matchMedia("(prefers-color-scheme: dark)");

function theme() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  const colours = dark.matches ? DARK : LIGHT;
  const named = PALETTE.flatMap((name, index) => [[name, colours[index]], [`bright${name[0].toUpperCase()}${name.slice(1)}`, colours[index]]]);
  return {
    ...Object.fromEntries(named),
    background: of("--surface"), foreground: of("--text"),
    cursor: of("--accent"), cursorAccent: of("--accent-ink"),
    selectionBackground: dark.matches ? "#2f5d58" : "#b5dcd6",
  };
}

function newScreen(place, options = {}) {
  const screen = new Terminal({
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono").trim(),
    fontSize: 13,
    lineHeight: 1.15,
    scrollback: 5000,
    minimumContrastRatio: 4.5,
    linkHandler: { activate() {} }, // a program's links lead nowhere: their text may say anything
    theme: theme(),
    ...options,
  });
  const fit = new FitAddon.FitAddon();
  screen.loadAddon(fit);
  screen.open(place);
  fit.fit();
  let timer = 0;
  new ResizeObserver(() => {
    clearTimeout(timer);
    timer = setTimeout(() => fit.fit(), 80);
  }).observe(place);
  dark.addEventListener("change", () => { screen.options.theme = theme(); });
  screen.attachCustomKeyEventHandler((event) => {
    if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey || event.code !== "KeyC") return true;
    event.preventDefault(); // browsers open their developer tools
    document.execCommand("copy"); // works without the clipboard API too, which plain HTTP does not have
    return false;
  });
  return screen;
}
