/** Binary heap of (time, id): which flow is next. */
export class EventHeap {
  readonly #times: number[] = [];
  readonly #ids: number[] = [];

  get size(): number {
    return this.#times.length;
  }

  push(atUs: number, id: number): void {
    const times = this.#times;
    const ids = this.#ids;
    let at = times.length;
    times.push(atUs);
    ids.push(id);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const parentTime = times[parent] ?? 0;
      if (parentTime <= atUs) break;
      times[at] = parentTime;
      ids[at] = ids[parent] ?? 0;
      at = parent;
    }
    times[at] = atUs;
    ids[at] = id;
  }

  /** Takes the earliest off; only where {@link size} is not 0. */
  pop(): { readonly atUs: number; readonly id: number } {
    const times = this.#times;
    const ids = this.#ids;
    const first = { atUs: times[0] ?? 0, id: ids[0] ?? 0 };
    const lastTime = times.pop() ?? 0;
    const lastId = ids.pop() ?? 0;
    const size = times.length;
    if (size === 0) return first;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && (times[child + 1] ?? 0) < (times[child] ?? 0)) child++;
      const childTime = times[child] ?? 0;
      if (childTime >= lastTime) break;
      times[at] = childTime;
      ids[at] = ids[child] ?? 0;
      at = child;
    }
    times[at] = lastTime;
    ids[at] = lastId;
    return first;
  }
}
