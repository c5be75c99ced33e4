// The panels: the glimpse as the model sees it, the probabilities, and the row of all glimpses

import { SCALES, picture } from "./stage.js";

const MAX_ROWS = 10; // classes

/** Format a probability; nothing is ever quite certain. */
export function percent(share) {
  if (share < 0.0005) return "0 %";
  return `${(100 * Math.min(share, 0.999)).toFixed(share < 0.0995 || share > 0.9895 ? 1 : 0)} %`;
}

const likeliest = (row) => row.indexOf(Math.max(...row));

/** Make an element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** The best answer after a glimpse, in words: "5, 83 %". */
export function inWords(look, step) {
  const row = look.probabilities[step];
  const best = likeliest(row);
  return `${look.classes[best]}, ${percent(row[best])}`;
}

function patch(look, step, scale) {
  const [, depth, channels, height, width] = look.glimpses.shape;
  const area = channels * height * width;
  const small = picture(look.glimpses, [channels, height, width], (step * depth + scale) * area);
  small.style.setProperty("--aspect", `${width} / ${height}`);
  return small;
}

/** Show an empty glimpse. */
export function showNoGlimpse(element) {
  element.replaceChildren(make("div", { className: "none" }));
}

/** Show the patches of a glimpse, one per scale. */
export function showGlimpse(element, look, step) {
  const [, depth, , height, width] = look.glimpses.shape;
  const figures = Array.from({ length: depth }, (_, scale) => {
    const small = patch(look, step, scale);
    small.style.setProperty("--scale", SCALES[scale % SCALES.length]);
    const [tall, wide] = look.windows[scale];
    const words = scale ? `${wide} × ${tall} pixels in ${width} × ${height}` : `${wide} × ${tall} pixels`;
    small.setAttribute("role", "img");
    small.setAttribute("aria-label", `Glimpse ${step + 1}: ${words}`);
    return make("figure", {}, small, make("figcaption", { textContent: words }));
  });
  element.replaceChildren(...figures);
  element.closest("section").classList.toggle("many", depth > 1);
}

/** The table of probabilities: its rows are made once for a look, and shifted at every moment. */
export class Levels {
  constructor(table, verdict) {
    this.body = table.tBodies[0];
    [this.answer, this.sureness] = verdict.children;
    this.verdict = verdict;
  }

  make(look) {
    const best = look.classes.map((_, i) => Math.max(...look.probabilities.map((row) => row[i])));
    const order = look.classes.map((_, i) => i).sort((a, b) => best[b] - best[a]);
    this.#lay(look, order.slice(0, MAX_ROWS).sort((a, b) => a - b));
  }

  #lay(look, rows) {
    this.rows = rows;
    this.cells = rows.map((i) => {
      const [bar, words] = [make("i"), make("td")];
      const level = make("div", { className: "level" }, bar);
      const row = make("tr", {}, make("th", { scope: "row", textContent: look.classes[i] }), make("td", {}, level), words);
      return { row, bar, words };
    });
    this.body.replaceChildren(...this.cells.map(({ row }) => row));
  }

  show(look, { from, to, thought }) {
    const [before, after] = [look.probabilities[from], look.probabilities[to]];
    const now = before.map((value, i) => value + (after[i] - value) * thought);
    const top = likeliest(now);
    this.rows.forEach((i, place) => {
      const { row, bar, words } = this.cells[place];
      row.classList.toggle("top", i === top);
      bar.style.transform = `scaleX(${now[i]})`;
      words.textContent = percent(now[i]);
    });
    const done = (thought === 1 ? to : from) === look.probabilities.length - 1;
    this.answer.textContent = look.classes[top];
    this.answer.classList.toggle("long", look.classes[top].length > 4);
    const reached = look.sure ? `its answer after ${look.boxes.length} of ${look.max_glimpses} glimpses` : "its answer";
    this.sureness.textContent = `${percent(now[top])} ${done ? `sure, ${reached}` : "sure so far"}`;
    this.verdict.className = done ? "done" : "";
  }

  /** Reset, before there is a look. */
  clear(classes) {
    this.#lay({ classes }, classes.map((_, i) => i).slice(0, MAX_ROWS));
    this.answer.textContent = "?";
    this.answer.classList.remove("long");
    this.sureness.textContent = "nothing yet";
    this.verdict.className = "none";
  }
}

/** The row of all glimpses, each a button that jumps to it. */
export class Film {
  constructor(list, goTo) {
    this.list = list;
    this.goTo = goTo;
  }

  make(look) {
    const frames = look.boxes.map((_, step) => {
      const small = patch(look, step, 0);
      small.setAttribute("aria-hidden", "true");
      const answer = look.classes[likeliest(look.probabilities[step])];
      const button = make("button", { type: "button" }, small, make("span", { textContent: answer }));
      button.setAttribute("aria-label", `Glimpse ${step + 1}: ${inWords(look, step)}`);
      button.addEventListener("click", () => this.goTo(step));
      return make("li", {}, button);
    });
    this.list.replaceChildren(...frames);
    this.step = -1;
  }

  show(step) {
    if (step === this.step) return;
    this.step = step;
    [...this.list.children].forEach((frame, i) => {
      if (i === step) frame.firstChild.setAttribute("aria-current", "step");
      else frame.firstChild.removeAttribute("aria-current");
    });
    const frame = this.list.children[step];
    const [start, end] = [frame.offsetLeft - this.list.offsetLeft, this.list.clientWidth - frame.offsetWidth];
    this.list.scrollLeft = Math.min(start, Math.max(this.list.scrollLeft, start - end));
  }

  clear() {
    this.list.replaceChildren();
  }
}
