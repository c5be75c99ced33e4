// The stage: the pad with its ink, or the scene with the boxes of a glimpse and the path

export const SCALES = ["#ff7a29", "#22b2a6", "#608cf0", "#be6ecd", "#96be32", "#f06991"]; // fine first
const PATH = "#ffcd3c";
const RIM = "rgb(0 0 0 / .75)";
const MAX_MARGIN = 0.2; // share of the longer side, shown around the picture for windows that reach beyond it

/** Draw pixels (channels, height, width), from `offset` on, on a small canvas. */
export function picture({ bytes }, [channels, height, width], offset = 0) {
  const small = Object.assign(document.createElement("canvas"), { width, height });
  const data = new ImageData(width, height);
  const area = width * height;
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) data.data[4 * i + c] = bytes[offset + i + (channels === 3 ? c * area : 0)];
    data.data[4 * i + 3] = 255;
  }
  small.getContext("2d").putImageData(data, 0, 0);
  return small;
}

const mix = (a, b, share) => a + (b - a) * share;
const center = ([x0, y0, x1, y1]) => [(x0 + x1) / 2, (y0 + y1) / 2];

export class Stage {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
  }

  /** Fit the canvas to its element; units are CSS pixels from here on. */
  begin() {
    const ratio = window.devicePixelRatio || 1;
    this.side = this.canvas.clientWidth;
    const pixels = Math.round(this.side * ratio);
    if (this.canvas.width !== pixels) this.canvas.width = this.canvas.height = pixels;
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.pen.clearRect(0, 0, this.side, this.side);
  }

  /** Where a scene lies on the stage: its point (x, y) in pixels at (zoom * x + x0, zoom * y + y0). */
  layout({ size: [height, width], windows }) {
    const longer = Math.max(height, width);
    const reach = Math.max(...windows.flat().map((side) => Math.floor((side - 1) / 2)));
    const whole = longer + 2 * Math.min(reach, MAX_MARGIN * longer);
    const zoom = this.canvas.clientWidth / whole;
    return { zoom, x0: (zoom * (whole - width)) / 2, y0: (zoom * (whole - height)) / 2 };
  }

  drawPad(pad) {
    this.begin();
    this.pen.fillStyle = "#000";
    this.pen.fillRect(0, 0, this.side, this.side);
    this.#ink(pad.strokes, { scale: this.side, x: 0, y: 0, width: pad.pen * this.side });
  }

  /** Draw the look at a moment; `arrived` in [0, 1] is how far the drawing has moved to its place in the scene. */
  drawLook(look, moment, pad, arrived) {
    this.begin();
    const at = this.layout(look);
    const [height, width] = look.size;
    const shown = arrived < 1 && look.placed ? Math.max(0, arrived * 3 - 2) : 1;
    this.pen.fillStyle = "#000";
    this.pen.fillRect(0, 0, this.side, this.side);
    this.pen.globalAlpha = shown;
    this.#beyond(at, width, height);
    this.pen.imageSmoothingEnabled = false;
    this.pen.drawImage(look.picture, at.x0, at.y0, at.zoom * width, at.zoom * height);
    this.pen.globalAlpha = 1 - shown;
    if (shown < 1) this.#ink(pad.strokes, this.onTheWay(look, at, pad, arrived));
    this.pen.globalAlpha = shown;
    if (shown > 0) this.#boxes(look, at, moment, [width, height]);
    this.pen.globalAlpha = 1;
  }

  /** Position of the pad on the stage while it moves to its place in the scene. */
  onTheWay({ placed }, at, pad, arrived) {
    const share = Math.min(1, arrived * 1.5);
    const [scale, x, y] = [placed.scale * at.zoom, placed.x0 * at.zoom + at.x0, placed.y0 * at.zoom + at.y0];
    return {
      scale: mix(this.side, scale, share),
      x: mix(0, x, share),
      y: mix(0, y, share),
      width: mix(pad.pen * this.side, placed.pen * at.zoom, share),
    };
  }

  #ink(strokes, { scale, x, y, width }) {
    const pen = this.pen;
    Object.assign(pen, { lineWidth: width, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
    for (const stroke of strokes) {
      const points = stroke.map(([a, b]) => [scale * a + x, scale * b + y]);
      pen.beginPath();
      pen.moveTo(...points[0]);
      for (const point of points.length > 1 ? points.slice(1) : points) pen.lineTo(...point);
      pen.stroke();
    }
  }

  /** Fill the area outside the picture, where the model sees black. */
  #beyond(at, width, height) {
    const pen = this.pen;
    pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--beyond");
    pen.beginPath();
    pen.rect(0, 0, this.side, this.side);
    pen.rect(at.x0, at.y0, at.zoom * width, at.zoom * height);
    pen.fill("evenodd");
  }

  #boxes(look, at, { from, to, moved, step }, size) {
    const pen = this.pen;
    const toStage = ([x0, y0, x1, y1]) => [at.zoom * x0 + at.x0, at.zoom * y0 + at.y0, at.zoom * x1 + at.x0, at.zoom * y1 + at.y0];
    const here = look.boxes[from].map((box, scale) => toStage(box.map((side, i) => mix(side, look.boxes[to][scale][i], moved))));
    this.#shade(here.at(-1), [at.x0, at.y0, ...size.map((side) => side * at.zoom)]);
    for (const boxes of look.boxes.slice(0, step)) this.#box(toStage(boxes[0]), "rgb(255 255 255 / .38)", 1);
    const path = look.boxes.slice(0, from + 1).map(([box]) => center(toStage(box)));
    this.#trail([...path, center(here[0])]);
    here.forEach((box, scale) => this.#box(box, SCALES[scale % SCALES.length], 3.5));
  }

  /** Darken the part of the picture that this glimpse does not see. */
  #shade([x0, y0, x1, y1], picture) {
    const pen = this.pen;
    pen.save();
    pen.beginPath();
    pen.rect(...picture);
    pen.clip();
    pen.fillStyle = "rgb(0 0 0 / .45)";
    pen.beginPath();
    pen.rect(...picture);
    pen.rect(x0, y0, x1 - x0, y1 - y0);
    pen.fill("evenodd");
    pen.restore();
  }

  #box([x0, y0, x1, y1], color, width) {
    for (const [style, line] of [[RIM, width + 2.5], [color, width]]) {
      Object.assign(this.pen, { strokeStyle: style, lineWidth: line, lineJoin: "round" });
      this.pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
  }

  /** Draw the path, older parts fainter. */
  #trail(points) {
    const pen = this.pen;
    const shown = pen.globalAlpha;
    points.forEach(([x, y], i) => {
      const age = points.length - 1 - i;
      pen.globalAlpha = shown * Math.max(0.35, 1 - 0.13 * age);
      for (const [style, line, radius] of [[RIM, 5.5, 6.5], [PATH, 3, 5]]) {
        Object.assign(pen, { strokeStyle: style, fillStyle: style, lineWidth: line, lineCap: "round" });
        pen.beginPath();
        if (i) pen.moveTo(...points[i - 1]);
        pen.lineTo(x, y);
        pen.stroke();
        pen.beginPath();
        pen.arc(x, y, radius, 0, 7);
        pen.fill();
      }
    });
    pen.globalAlpha = shown;
  }
}
