// The player: where in the look we are. Position 2 is at rest at the third glimpse, 2.3 on the way to the fourth

const WAY = 620; // milliseconds from glimpse to glimpse
const REST = 380; // at each
const HURRY = 260; // to a glimpse that was asked for
const MOVE = 0.6; // of the way is the box moving, then the probabilities shift

const still = matchMedia("(prefers-reduced-motion: reduce)");
const eased = (share) => share * share * (3 - 2 * share);

/** What is seen at a position: the box on its way from glimpse `from` to `to`, and the thoughts on theirs. */
export function moment(position, last) {
  const from = Math.min(Math.floor(position), last);
  const share = Math.min(position - from, 1);
  const moved = eased(Math.min(1, share / MOVE));
  const thought = eased(Math.max(0, (share - MOVE) / (1 - MOVE)));
  return { from, to: Math.min(from + 1, last), moved, thought, step: moved === 1 ? Math.min(from + 1, last) : from };
}

export class Player {
  /** `moved` is called at every change; `position` is then where it is. */
  constructor(moved) {
    this.moved = moved;
    this.last = 0;
    this.position = 0;
    this.target = 0;
    this.playing = false;
  }

  /** A new look of so many glimpses: from its beginning, or at its end for who wishes for less motion. */
  begin(last) {
    if (still.matches) this.show(last, last);
    else this.play(last, 0);
  }

  play(last, from) {
    this.last = last;
    this.position = this.target = from;
    this.playing = last > from;
    this.moved();
    if (this.playing) this.#wait(REST);
  }

  /** Stay at a glimpse of a look of so many. */
  show(last, position) {
    this.last = last;
    this.#stop();
    this.position = this.target = Math.min(position, last);
    this.moved();
  }

  /** Go to a glimpse, quickly. */
  goTo(step) {
    this.#stop();
    this.target = Math.max(0, Math.min(step, this.last));
    this.#glide(this.target, HURRY, () => {});
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
    this.timer = setTimeout(() => this.#next(), still.matches ? time + WAY : time);
  }

  #next() {
    this.target = Math.min(Math.floor(this.position) + 1, this.last);
    this.#glide(this.target, WAY, () => {
      this.playing = this.position < this.last;
      this.moved();
      if (this.playing) this.#wait(REST);
    });
  }

  #glide(target, time, then) {
    cancelAnimationFrame(this.frame);
    const origin = this.position;
    const begin = performance.now();
    const draw = (now) => {
      const share = still.matches || origin === target ? 1 : Math.min(1, Math.max(0, now - begin) / time);
      this.position = share === 1 ? target : origin + (target - origin) * share;
      this.moved();
      if (share < 1) this.frame = requestAnimationFrame(draw);
      else then();
    };
    draw(begin);
  }
}
