// The drawing pad: strokes of mouse, finger or pen, with (0, 0) and (1, 1) at its corners

export const PEN = 0.085; // width, as a share of the pad

export class Pad {
  /** `began` is called before a stroke, `drew` at each of its points, `ended` after it. */
  constructor(element, { began, drew, ended }) {
    this.strokes = [];
    this.pen = PEN;
    this.pointer = null;
    const point = ({ clientX, clientY }) => {
      const { left, top, width, height } = element.getBoundingClientRect();
      return [(clientX - left) / width, (clientY - top) / height].map((at) => round(Math.min(1, Math.max(0, at))));
    };
    element.addEventListener("pointerdown", (event) => {
      if (this.pointer !== null || event.button !== 0) return;
      this.pointer = event.pointerId;
      element.setPointerCapture(event.pointerId);
      began();
      this.strokes.push([point(event)]);
      drew();
    });
    element.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.pointer) return;
      const passed = event.getCoalescedEvents?.() ?? [];
      this.strokes.at(-1).push(...(passed.length ? passed : [event]).map(point));
      drew();
    });
    const end = (event) => {
      if (event.pointerId !== this.pointer) return;
      this.pointer = null;
      ended();
    };
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", end);
  }

  get drawing() {
    return this.pointer !== null;
  }

  clear() {
    this.strokes = [];
    this.pen = PEN;
  }

  undo() {
    this.strokes.pop();
  }

  /** Move all strokes to where they are shown, so that drawing continues there. */
  moveTo({ scale, x, y, pen }) {
    this.strokes = this.strokes.map((stroke) => stroke.map(([a, b]) => [round(scale * a + x), round(scale * b + y)]));
    this.pen = pen;
  }
}

const round = (value) => Math.round(value * 1e4) / 1e4;
