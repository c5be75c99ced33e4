// The player: a position in the look. Position 2 rests at the third glimpse, 2.3 is on the way to the fourth

const MOVE_MS = 620; // from glimpse to glimpse
const REST_MS = 380; // at each glimpse
const SEEK_MS = 260; // to a chosen glimpse
const MOVE_SHARE = 0.6; // of the way in which the box moves; then the probabilities shift

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const eased = (share) => share * share * (3 - 2 * share);

/** What a position shows: how far the box and the probabilities have moved from glimpse `from` to `to`. */
export function moment(position, last) {
  const from = Math.min(Math.floor(position), last);
  const share = Math.min(position - from, 1);
  const moved = eased(Math.min(1, share / MOVE_SHARE));
  const thought = eased(Math.max(0, (share - MOVE_SHARE) / (1 - MOVE_SHARE)));
  return { from, to: Math.min(from + 1, last), moved, thought, step: moved === 1 ? Math.min(from + 1, last) : from };
}

export class Player {
  /** `moved` is called at every change of `position`. */
  constructor(moved) {
    this.moved = moved;
    this.last = 0;
    this.position = 0;
    this.target = 0;
    this.playing = false;
  }

  /** Start a new look: play it, or show its end where reduced motion is preferred. */
  begin(last) {
    if (reducedMotion.matches) this.show(last, last);
    else this.play(last, 0);
  }

  play(last, from) {
    this.last = last;
    this.position = this.target = from;
    this.playing = last > from;
    this.moved();
    if (this.playing) this.#wait(REST_MS);
  }

  /** Stop at a position of a look whose last glimpse is `last`. */
  show(last, position) {
    this.last = last;
    this.#stop();
    this.position = this.target = Math.min(position, last);
    this.moved();
  }

  /** Move to a glimpse quickly. */
  goTo(step) {
    this.#stop();
    this.target = Math.max(0, Math.min(step, this.last));
    this.#glide(this.target, SEEK_MS, () => {});
  }

  toggle() {
    if (!this.playing) return this.play(this.last, this.position >= this.last ? 0 : Math.floor(this.position));
    this.#stop();
    this.goTo(Math.round(this.position));
  }

  #stop() {
    this.playing = false;
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
  }

  #wait(time) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#next(), reducedMotion.matches ? time + MOVE_MS : time);
  }

  #next() {
    this.target = Math.min(Math.floor(this.position) + 1, this.last);
    this.#glide(this.target, MOVE_MS, () => {
      this.playing = this.position < this.last;
      this.moved();
      if (this.playing) this.#wait(REST_MS);
    });
  }

  #glide(target, time, then) {
    cancelAnimationFrame(this.frame);
    const origin = this.position;
    const begin = performance.now();
    const draw = (now) => {
      const share = reducedMotion.matches || origin === target ? 1 : Math.min(1, Math.max(0, now - begin) / time);
      this.position = share === 1 ? target : origin + (target - origin) * share;
      this.moved();
      if (share < 1) this.frame = requestAnimationFrame(draw);
      else then();
    };
    draw(begin);
  }
}
