// The page: a drawing or an uploaded picture is sent to the server, and the look that comes back is shown

import { ask, askLatest, unpack } from "./ask.js";
import { Pad } from "./pad.js";
import { Film, Levels, inWords, make, showGlimpse, showNoGlimpse } from "./panels.js";
import { Player, moment } from "./player.js";
import { Stage, picture } from "./stage.js";
import { Ring } from "./start.js";

const PAUSE_MS = 750; // after a stroke; then the drawing counts as finished
const GLIDE_MS = 520; // in which a drawing moves to its place in the scene
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const $ = (id) => document.getElementById(id);
const random = () => Math.floor(Math.random() * 2 ** 31);

const state = {
  models: {},
  model: null,
  limits: null,
  upload: null, // an uploaded picture: {file, small, invert, warning}; null while drawing
  options: { policy: "mean", seed: 0, scene: 0, canvas: "centered", start: null, number: null, stop: false },
  look: null,
  arrived: 1,
  watching: false,
};

const stage = new Stage($("canvas"));
const levels = new Levels($("levels"), $("verdict"));
const film = new Film($("film"), (step) => player.goTo(step));
const player = new Player(show);
const pad = new Pad($("canvas"), { began: beginStroke, drew: drawPad, ended: endStroke });
const ring = new Ring($("start"), {
  geometry: () => ({ at: stage.layout(state.look), side: state.look.size, window: state.look.windows[0] }),
  moved: (start) => setOptions({ start }, "beginning"),
});

// Drawing

function beginStroke() {
  clearTimeout(state.pause);
  cancelAnimationFrame(state.glide);
  if (state.upload) pad.clear();
  else if (state.watching && state.options.canvas === "centered" && state.look.placed) {
    const { scale, x, y, width } = stage.onTheWay(state.look, stage.layout(state.look), pad, 1);
    pad.moveTo({ scale: scale / stage.side, x: x / stage.side, y: y / stage.side, pen: width / stage.side });
  }
  setUpload(null);
  player.show(0, 0);
  showMessage("");
  state.watching = false;
  ring.hide();
  $("stage").focus({ preventScroll: true });
}

function drawPad() {
  stage.drawPad(pad);
  updateControls();
}

function endStroke() {
  drawPad();
  clearTimeout(state.pause);
  state.pause = setTimeout(() => requestLook("arriving"), PAUSE_MS);
}

async function drawExample(digit) {
  state.examples ??= ask("examples").catch((error) => showMessage(error.message));
  const strokes = (await state.examples)?.[digit];
  if (!strokes) return;
  beginStroke();
  pad.clear();
  const points = strokes.flatMap((stroke, i) => stroke.map((point) => [i, point]));
  let written = 0;
  const writeOn = () => {
    for (const [i, point] of points.slice(written, written + (reducedMotion.matches ? points.length : 3))) {
      (pad.strokes[i] ??= []).push(point);
      written++;
    }
    drawPad();
    if (written < points.length) state.glide = requestAnimationFrame(writeOn);
    else requestLook("arriving");
  };
  writeOn();
}

function clear() {
  clearTimeout(state.pause);
  cancelAnimationFrame(state.glide);
  pad.clear();
  setUpload(null);
  Object.assign(state, { look: null, watching: false });
  player.show(0, 0);
  film.clear();
  levels.clear(state.model.classes);
  showNoGlimpse($("glimpse"));
  ring.hide();
  showMessage("");
  drawPad();
}

function undo() {
  clearTimeout(state.pause);
  pad.undo();
  if (!pad.strokes.length) return clear();
  state.watching = false;
  ring.hide();
  endStroke();
}

function setUpload(picture) {
  state.upload = picture;
  $("inversion").hidden = !picture || !state.model.handwriting;
}

function openPicture(file) {
  if (!file) return;
  const most = state.limits.megabytes;
  if (file.size > most * 1e6) return showMessage(`A picture should have at most ${most} megabytes. ${file.name || "This one"} has ${Math.ceil(file.size / 1e6)}.`);
  clearTimeout(state.pause);
  setUpload({ file, invert: null, before: state.upload && { ...state.upload, before: null } });
  requestLook("from the start");
}

// Requests

function query() {
  const { policy, seed, scene, canvas, start, number } = state.options;
  const words = { model: state.model.name, policy, seed, scene, canvas };
  if (number) words.num_glimpses = number;
  if (state.options.stop) words.stop = state.model.stop;
  if (start) Object.assign(words, { start_x: start[0].toFixed(4), start_y: start[1].toFixed(4) });
  if (state.upload) words.ink = state.upload.small ? "light" : { null: "auto", true: "dark", false: "light" }[state.upload.invert];
  return new URLSearchParams(words);
}

function makeRequest() {
  if (state.upload) return [`look/picture?${query()}`, state.upload.small ?? state.upload.file];
  return [`look/drawing?${query()}`, JSON.stringify({ strokes: pad.strokes })];
}

/** Request a look; `then` is how it is shown: "arriving" from the pad, "from the start", "beginning" or "where we are". */
async function requestLook(then) {
  if (!state.upload && !pad.strokes.length) return;
  const { upload, model } = state;
  try {
    const look = await askLatest(...makeRequest());
    if (!look || pad.drawing || upload !== state.upload) return;
    if (upload && !upload.small && look.small) {
      const bytes = Uint8Array.from(atob(look.small), (letter) => letter.charCodeAt(0));
      Object.assign(upload, { small: new Blob([bytes]), invert: look.inverted });
      $("invert").checked = look.inverted;
      upload.warning = look.warning;
    }
    watch(Object.assign(look, { windows: model.windows }), then);
    if (upload?.warning) showMessage(upload.warning);
  } catch (error) {
    if (upload && upload === state.upload && !upload.small) setUpload(upload.before ?? null); // keep what is shown
    showMessage(error.message);
  }
}

function setOptions(changes, then = "where we are") {
  Object.assign(state.options, changes);
  updateControls();
  requestLook(then);
}

// Showing a look

function watch(look, then) {
  look.scene = unpack(look.scene);
  look.glimpses = unpack(look.glimpses);
  look.picture = picture(look.scene, look.scene.shape);
  const last = look.boxes.length - 1;
  const position = then === "beginning" ? 0 : player.position >= player.last ? last : player.position;
  Object.assign(state, { look, watching: true, arrived: 1 });
  showMessage("");
  levels.make(look);
  film.make(look);
  if (then === "arriving" && look.placed) glide(last);
  else if (then === "where we are" || then === "beginning") player.show(last, position);
  else player.begin(last);
}

/** Move the drawing to its place in the scene, then play. */
function glide(last) {
  if (reducedMotion.matches) return player.begin(last);
  const begun = performance.now();
  player.show(last, 0);
  const draw = (now) => {
    state.arrived = Math.min(1, Math.max(0, now - begun) / GLIDE_MS);
    show();
    if (state.arrived < 1) state.glide = requestAnimationFrame(draw);
    else player.begin(last);
  };
  draw(begun);
}

/** Show everything at the player's position. */
function show() {
  updateControls();
  const { look } = state;
  if (!look || !state.watching) return;
  const now = moment(player.position, player.last);
  stage.drawLook(look, now, pad, state.arrived);
  levels.show(look, now);
  film.show(now.step);
  if (state.shown !== look || state.step !== now.step) showGlimpse($("glimpse"), look, now.step);
  Object.assign(state, { shown: look, step: now.step });
  if (state.arrived === 1 && !ring.held) ring.show(state.options.start ?? look.locations[0]);
  announce(now.step);
}

/** Describe the glimpse to screen readers, not at every frame. */
function announce(step) {
  const { look } = state;
  const words = `Glimpse ${step + 1} of ${look.boxes.length}: ${inWords(look, step)}`;
  $("canvas").setAttribute("aria-label", `${state.upload ? "Your picture" : "Your drawing"}. ${words}`);
  if (!player.playing && Number.isInteger(player.position)) $("told").textContent = words;
}

/** Enable, disable and label the controls. */
function updateControls() {
  const { look, options, model, watching } = state;
  const ink = pad.strokes.length > 0 || state.upload;
  $("invitation").hidden = Boolean(ink);
  $("undo").disabled = !pad.strokes.length || Boolean(state.upload);
  $("clear").disabled = !ink;
  $("play").disabled = $("step").disabled = !watching;
  $("play").classList.toggle("playing", player.playing);
  $("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
  const step = watching ? moment(player.position, player.last).step : 0;
  if (watching) $("step").max = look.boxes.length;
  if (document.activeElement !== $("step") || player.playing) $("step").value = step + 1;
  $("count").textContent = watching ? `${step + 1} of ${look.boxes.length}` : "";
  $("step").setAttribute("aria-valuetext", watching ? `Glimpse ${step + 1} of ${look.boxes.length}: ${inWords(look, step)}` : "");
  $("again").disabled = options.policy !== "sampled" || !watching;
  $("elsewhere").disabled = options.canvas === "centered" || !watching;
  $("own").disabled = !options.start;
  if (!ink) $("canvas").setAttribute("aria-label", "An empty pad");
  if (model) $("number-out").textContent = options.number ?? model.num_glimpses;
}

function showMessage(sentence) {
  $("message").textContent = sentence;
}

// Options and listeners

function choose(model) {
  state.model = model;
  Object.assign(state.options, { canvas: model.canvases[0], policy: model.policy, start: null, number: null });
  $(model.policy).checked = true;
  $("number").max = Math.max(20, model.num_glimpses);
  $("number").value = model.num_glimpses;
  $("stop-out").textContent = `at ${Math.round(100 * model.stop)} %`;
  $("canvases").hidden = model.canvases.length < 2;
  const kinds = ["centered", "translated", "cluttered"].filter((kind) => model.canvases.includes(kind));
  $("canvases").querySelector(".choice").replaceChildren(...kinds.flatMap((kind) => canvasChoice(kind, model.canvases[0])));
  const digits = model.examples.map((digit) => {
    const button = make("button", { type: "button", textContent: digit, onclick: () => drawExample(digit) });
    button.setAttribute("aria-label", `Write a ${digit}`);
    return button;
  });
  $("writing").replaceChildren($("writing-title"), ...digits);
  $("writing").hidden = !digits.length;
  $("invitation").firstChild.textContent = model.handwriting ? "Draw a digit here" : "Draw here";
  const [height, width] = model.size;
  const pieces = model.windows.length > 1 ? ` in ${model.windows.length} scales` : "";
  $("about").textContent = `The model is ${model.name}. It looks at ${width} × ${height} pixels, ${model.glimpse_size[1]} × ${model.glimpse_size[0]} at a time${pieces}, and was trained to look ${model.num_glimpses} times.`;
}

function canvasChoice(kind, chosen) {
  const input = make("input", { type: "radio", name: "canvas", id: kind, value: kind, checked: kind === chosen });
  input.addEventListener("change", () => setOptions({ canvas: kind }, "from the start"));
  return [input, make("label", { htmlFor: kind, textContent: kind[0].toUpperCase() + kind.slice(1) })];
}

function addListeners() {
  $("undo").onclick = undo;
  $("clear").onclick = clear;
  $("file").onchange = ({ target }) => {
    openPicture(target.files[0]);
    target.value = "";
  };
  $("invert").onchange = ({ target }) => {
    setUpload({ file: state.upload.file, invert: target.checked });
    requestLook("where we are");
  };
  $("play").onclick = () => player.toggle();
  $("step").oninput = ({ target }) => player.goTo(target.value - 1);
  $("model").onchange = ({ target }) => {
    choose(state.models[target.value]);
    if (state.upload) setUpload({ file: state.upload.file, invert: null });
    requestLook("from the start");
  };
  $("stop").onchange = ({ target }) => setOptions({ stop: target.checked }, "from the start");
  $("number").oninput = ({ target }) => setOptions({ number: Number(target.value) });
  for (const policy of ["mean", "sampled"]) $(policy).onchange = () => setOptions({ policy, seed: random() }, "from the start");
  $("again").onclick = () => setOptions({ seed: random() }, "from the start");
  $("elsewhere").onclick = () => setOptions({ scene: random() }, "from the start");
  $("own").onclick = () => setOptions({ start: null }, "from the start");
  $("stage").onkeydown = onKey;
  addEventListener("resize", () => (state.watching ? show() : drawPad()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  addUploadListeners();
}

function onKey(event) {
  if (event.target === $("start") && event.key.startsWith("Arrow")) return;
  const undoes = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey);
  if (!undoes && (event.ctrlKey || event.metaKey || event.altKey)) return;
  const actions = {
    ArrowLeft: () => player.goTo(Math.ceil(player.position) - 1),
    ArrowRight: () => player.goTo(Math.floor(player.position) + 1),
    Escape: clear,
    " ": () => state.watching && player.toggle(),
  };
  const action = undoes ? undo : state.model.examples.includes(event.key) ? () => drawExample(event.key) : actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function addUploadListeners() {
  const over = (event) => {
    event.preventDefault();
    $("stage").classList.toggle("over", event.type === "dragover");
  };
  for (const kind of ["dragover", "dragleave", "drop"]) addEventListener(kind, over);
  addEventListener("drop", (event) => openPicture(event.dataTransfer?.files[0]));
  addEventListener("paste", (event) => openPicture([...(event.clipboardData?.files ?? [])][0]));
}

async function load() {
  addListeners();
  drawPad();
  try {
    const { models, limits } = await ask("models");
    state.limits = limits;
    state.models = Object.fromEntries(models.map((model) => [model.name, model]));
    $("model").replaceChildren(...models.map(({ name }) => make("option", { value: name, textContent: name })));
    $("which").hidden = models.length < 2;
    choose(models[0]);
    clear();
    document.documentElement.dataset.ready = "yes";
  } catch (error) {
    showMessage(error.message);
  }
}

load();
