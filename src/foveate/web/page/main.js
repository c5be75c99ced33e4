// What happens on the page: something is drawn or brought, the model looks at it, and it is shown how

import { ask, askLatest, unpack } from "./ask.js";
import { Pad } from "./pad.js";
import { Film, Levels, inWords, make, showGlimpse, showNoGlimpse } from "./panels.js";
import { Player, moment } from "./player.js";
import { Stage, picture } from "./stage.js";
import { Ring } from "./start.js";

const PAUSE = 750; // milliseconds after a stroke: who lifts the pen longer has finished
const GLIDE = 520; // milliseconds that a drawing takes to its place in the scene
const still = matchMedia("(prefers-reduced-motion: reduce)");
const $ = (id) => document.getElementById(id);
const random = () => Math.floor(Math.random() * 2 ** 31);

const state = {
  models: {},
  model: null,
  limits: null,
  brought: null, // a picture: {file, small, invert}; null while one draws
  wishes: { policy: "mean", seed: 0, scene: 0, canvas: "centred", start: null, number: null },
  look: null,
  arrived: 1,
  watching: false,
};

const stage = new Stage($("canvas"));
const levels = new Levels($("levels"), $("verdict"));
const film = new Film($("film"), (step) => player.goTo(step));
const player = new Player(show);
const pad = new Pad($("canvas"), { began: takeUpThePen, drew: drawPad, ended: liftThePen });
const ring = new Ring($("start"), {
  geometry: () => ({ at: stage.layout(state.look), side: state.look.size, window: state.look.windows[0] }),
  moved: (start) => wish({ start }, "beginning"),
});

// What is drawn

function takeUpThePen() {
  clearTimeout(state.pause);
  cancelAnimationFrame(state.glide);
  if (state.brought) pad.clear();
  else if (state.watching && state.wishes.canvas === "centred" && state.look.placed) {
    const { scale, x, y, width } = stage.onTheWay(state.look, stage.layout(state.look), pad, 1);
    pad.moveTo({ scale: scale / stage.side, x: x / stage.side, y: y / stage.side, pen: width / stage.side });
  }
  bring(null);
  player.show(0, 0);
  say("");
  state.watching = false;
  ring.hide();
  $("stage").focus({ preventScroll: true });
}

function drawPad() {
  stage.drawPad(pad);
  dress();
}

function liftThePen() {
  drawPad();
  clearTimeout(state.pause);
  state.pause = setTimeout(() => lookAgain("arriving"), PAUSE);
}

async function writeExample(digit) {
  state.examples ??= ask("examples").catch((error) => say(error.message));
  const strokes = (await state.examples)?.[digit];
  if (!strokes) return;
  takeUpThePen();
  pad.clear();
  const points = strokes.flatMap((stroke, i) => stroke.map((point) => [i, point]));
  let written = 0;
  const writeOn = () => {
    for (const [i, point] of points.slice(written, written + (still.matches ? points.length : 3))) {
      (pad.strokes[i] ??= []).push(point);
      written++;
    }
    drawPad();
    if (written < points.length) state.glide = requestAnimationFrame(writeOn);
    else lookAgain("arriving");
  };
  writeOn();
}

function clear() {
  clearTimeout(state.pause);
  cancelAnimationFrame(state.glide);
  pad.clear();
  bring(null);
  Object.assign(state, { look: null, watching: false });
  player.show(0, 0);
  film.clear();
  levels.clear(state.model.classes);
  showNoGlimpse($("glimpse"));
  ring.hide();
  say("");
  drawPad();
}

function undo() {
  clearTimeout(state.pause);
  pad.undo();
  if (!pad.strokes.length) return clear();
  state.watching = false;
  ring.hide();
  liftThePen();
}

function bring(picture) {
  state.brought = picture;
  $("inversion").hidden = !picture;
}

function openPicture(file) {
  if (!file) return;
  const most = state.limits.megabytes;
  if (file.size > most * 1e6) return say(`A picture should have at most ${most} megabytes. ${file.name || "This one"} has ${Math.ceil(file.size / 1e6)}.`);
  clearTimeout(state.pause);
  bring({ file, invert: null, before: state.brought && { ...state.brought, before: null } });
  lookAgain("from the start");
}

// What is asked

function query() {
  const { policy, seed, scene, canvas, start, number } = state.wishes;
  const words = { model: state.model.name, policy, seed, scene, canvas };
  if (number) words.num_glimpses = number;
  if (start) Object.assign(words, { start_x: start[0].toFixed(4), start_y: start[1].toFixed(4) });
  if (state.brought && !state.brought.small) words.invert = { null: "auto", true: "yes", false: "no" }[state.brought.invert];
  return new URLSearchParams(words);
}

function question() {
  if (state.brought) return [`look/picture?${query()}`, state.brought.small ?? state.brought.file];
  return [`look/drawing?${query()}`, JSON.stringify({ strokes: pad.strokes })];
}

/** Ask for a look; `then` is how it is shown: "arriving" from the pad, "from the start", or "where we are". */
async function lookAgain(then) {
  if (!state.brought && !pad.strokes.length) return;
  const { brought, model } = state;
  try {
    const look = await askLatest(...question());
    if (!look || pad.drawing || brought !== state.brought) return;
    if (brought && !brought.small && look.small) {
      const bytes = Uint8Array.from(atob(look.small), (letter) => letter.charCodeAt(0));
      Object.assign(brought, { small: new Blob([bytes]), invert: look.inverted });
      $("invert").checked = look.inverted;
    }
    watch(Object.assign(look, { windows: model.windows }), then);
  } catch (error) {
    if (brought && brought === state.brought && !brought.small) bring(brought.before ?? null); // what is seen stays
    say(error.message);
  }
}

function wish(changes, then = "where we are") {
  Object.assign(state.wishes, changes);
  dress();
  lookAgain(then);
}

// What is shown

function watch(look, then) {
  look.scene = unpack(look.scene);
  look.glimpses = unpack(look.glimpses);
  look.picture = picture(look.scene, look.scene.shape);
  const last = look.boxes.length - 1;
  const position = then === "beginning" ? 0 : player.position >= player.last ? last : player.position;
  Object.assign(state, { look, watching: true, arrived: 1 });
  say("");
  levels.make(look);
  film.make(look);
  if (then === "arriving" && look.placed) glide(last);
  else if (then === "where we are" || then === "beginning") player.show(last, position);
  else player.begin(last);
}

/** Let the drawing move to its place, then begin. */
function glide(last) {
  if (still.matches) return player.begin(last);
  const begin = performance.now();
  player.show(last, 0);
  const draw = (now) => {
    state.arrived = Math.min(1, Math.max(0, now - begin) / GLIDE);
    show();
    if (state.arrived < 1) state.glide = requestAnimationFrame(draw);
    else player.begin(last);
  };
  draw(begin);
}

/** Everything at the player's position. */
function show() {
  dress();
  const { look } = state;
  if (!look || !state.watching) return;
  const now = moment(player.position, player.last);
  stage.drawLook(look, now, pad, state.arrived);
  levels.show(look, now);
  film.show(now.step);
  if (state.shown !== look || state.step !== now.step) showGlimpse($("glimpse"), look, now.step);
  Object.assign(state, { shown: look, step: now.step });
  if (state.arrived === 1 && !ring.held) ring.show(state.wishes.start ?? look.locations[0]);
  tell(now.step);
}

/** Words for who does not see the stage, not at every frame. */
function tell(step) {
  const { look } = state;
  const words = `Glimpse ${step + 1} of ${look.boxes.length}: ${inWords(look, step)}`;
  $("canvas").setAttribute("aria-label", `${state.brought ? "Your picture" : "Your drawing"}. ${words}`);
  if (!player.playing && Number.isInteger(player.position)) $("told").textContent = words;
}

/** The controls as they can be used now. */
function dress() {
  const { look, wishes, model, watching } = state;
  const ink = pad.strokes.length > 0 || state.brought;
  $("invitation").hidden = Boolean(ink);
  $("undo").disabled = !pad.strokes.length || Boolean(state.brought);
  $("clear").disabled = !ink;
  $("play").disabled = $("step").disabled = !watching;
  $("play").classList.toggle("playing", player.playing);
  $("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
  const step = watching ? moment(player.position, player.last).step : 0;
  if (watching) $("step").max = look.boxes.length;
  if (document.activeElement !== $("step") || player.playing) $("step").value = step + 1;
  $("count").textContent = watching ? `${step + 1} of ${look.boxes.length}` : "";
  $("step").setAttribute("aria-valuetext", watching ? `Glimpse ${step + 1} of ${look.boxes.length}: ${inWords(look, step)}` : "");
  $("again").disabled = wishes.policy !== "sampled" || !watching;
  $("elsewhere").disabled = wishes.canvas === "centred" || !watching;
  $("own").disabled = !wishes.start;
  if (!ink) $("canvas").setAttribute("aria-label", "An empty pad");
  if (model) $("number-out").textContent = wishes.number ?? model.num_glimpses;
}

function say(sentence) {
  $("message").textContent = sentence;
}

// What can be chosen

function choose(model) {
  state.model = model;
  Object.assign(state.wishes, { canvas: model.canvases[0], policy: model.policy, start: null, number: null });
  $(model.policy).checked = true;
  $("number").max = Math.max(20, model.num_glimpses);
  $("number").value = model.num_glimpses;
  $("canvases").hidden = model.canvases.length < 2;
  const kinds = ["centred", "translated", "cluttered"].filter((kind) => model.canvases.includes(kind));
  $("canvases").querySelector(".choice").replaceChildren(...kinds.flatMap((kind) => canvasChoice(kind, model.canvases[0])));
  const digits = model.examples.map((digit) => {
    const button = make("button", { type: "button", textContent: digit, onclick: () => writeExample(digit) });
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
  input.addEventListener("change", () => wish({ canvas: kind }, "from the start"));
  return [input, make("label", { htmlFor: kind, textContent: kind[0].toUpperCase() + kind.slice(1) })];
}

function listen() {
  $("undo").onclick = undo;
  $("clear").onclick = clear;
  $("file").onchange = ({ target }) => {
    openPicture(target.files[0]);
    target.value = "";
  };
  $("invert").onchange = ({ target }) => {
    bring({ file: state.brought.file, invert: target.checked });
    lookAgain("where we are");
  };
  $("play").onclick = () => player.toggle();
  $("step").oninput = ({ target }) => player.goTo(target.value - 1);
  $("model").onchange = ({ target }) => {
    choose(state.models[target.value]);
    if (state.brought) bring({ file: state.brought.file, invert: state.brought.invert });
    lookAgain("from the start");
  };
  $("number").oninput = ({ target }) => wish({ number: Number(target.value) });
  for (const policy of ["mean", "sampled"]) $(policy).onchange = () => wish({ policy, seed: random() }, "from the start");
  $("again").onclick = () => wish({ seed: random() }, "from the start");
  $("elsewhere").onclick = () => wish({ scene: random() }, "from the start");
  $("own").onclick = () => wish({ start: null }, "from the start");
  $("stage").onkeydown = press;
  addEventListener("resize", () => (state.watching ? show() : drawPad()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  listenToPictures();
}

function press(event) {
  if (event.target === $("start") && event.key.startsWith("Arrow")) return;
  const undoes = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey);
  if (!undoes && (event.ctrlKey || event.metaKey || event.altKey)) return;
  const actions = {
    ArrowLeft: () => player.goTo(Math.ceil(player.position) - 1),
    ArrowRight: () => player.goTo(Math.floor(player.position) + 1),
    Escape: clear,
    " ": () => state.watching && player.toggle(),
  };
  const action = undoes ? undo : state.model.examples.includes(event.key) ? () => writeExample(event.key) : actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function listenToPictures() {
  const over = (event) => {
    event.preventDefault();
    $("stage").classList.toggle("over", event.type === "dragover");
  };
  for (const kind of ["dragover", "dragleave", "drop"]) addEventListener(kind, over);
  addEventListener("drop", (event) => openPicture(event.dataTransfer?.files[0]));
  addEventListener("paste", (event) => openPicture([...(event.clipboardData?.files ?? [])][0]));
}

async function begin() {
  listen();
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
    say(error.message);
  }
}

begin();
