// The ring at the location of the first glimpse, dragged or moved with the arrow keys

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Range of a window's corner along one side in pixels, and the padding of half a window, as in `window_origin`. */
function travel(side, window) {
  const pad = Math.floor((window - 1) / 2);
  return { room: Math.max(1, side + 2 * pad - window), pad };
}

/** The location in [-1, 1] that puts the middle of a window at pixel `middle`, along one side. */
export function toLocation(middle, side, window) {
  const { room, pad } = travel(side, window);
  return Math.min(1, Math.max(-1, (2 * (middle - window / 2 + pad)) / room - 1));
}

/** The pixel at the middle of a window at a location, along one side. */
export function toPixel(location, side, window) {
  const { room, pad } = travel(side, window);
  return ((location + 1) / 2) * room - pad + window / 2;
}

export class Ring {
  /** `geometry()` returns the position of the scene; `moved(location)` is called at every move. */
  constructor(button, { geometry, moved }) {
    Object.assign(this, { button, geometry, moved, held: false });
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      button.setPointerCapture(event.pointerId);
      this.#hold(true);
    });
    button.addEventListener("pointermove", (event) => {
      if (!this.held) return;
      const { at, side, window } = this.geometry();
      const { left, top } = button.parentElement.getBoundingClientRect();
      const x = toLocation((event.clientX - left - at.x0) / at.zoom, side[1], window[1]);
      const y = toLocation((event.clientY - top - at.y0) / at.zoom, side[0], window[0]);
      this.#go([x, y]);
    });
    for (const kind of ["pointerup", "pointercancel"]) button.addEventListener(kind, () => this.#hold(false));
    button.addEventListener("keydown", (event) => {
      const arrow = ARROWS[event.key];
      if (!arrow) return;
      event.preventDefault();
      event.stopPropagation();
      const { side, window } = this.geometry();
      const step = [1, 0].map((i) => 2 / travel(side[i], window[i]).room); // a pixel
      this.#go(this.location.map((value, i) => Math.min(1, Math.max(-1, value + arrow[i] * step[i]))));
    });
  }

  show(location) {
    this.location = location;
    const { at, side, window } = this.geometry();
    this.button.style.left = `${at.zoom * toPixel(location[0], side[1], window[1]) + at.x0}px`;
    this.button.style.top = `${at.zoom * toPixel(location[1], side[0], window[0]) + at.y0}px`;
    const [x, y] = location.map((value) => value.toFixed(2));
    this.button.setAttribute("aria-label", `First glimpse at x ${x}, y ${y}. Arrow keys move it.`);
    this.button.hidden = false;
  }

  hide() {
    this.button.hidden = true;
  }

  #hold(held) {
    this.held = held;
    this.button.classList.toggle("held", held);
  }

  #go(location) {
    this.show(location);
    this.moved(location);
  }
}
