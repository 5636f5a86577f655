/** The few that a sentence is said about, of what may be thousands: the worst, in the order they came in where equal. */
export function worstFirst<Item>(items: readonly Item[], badness: (item: Item) => number, most = 3): readonly Item[] {
  return items
    .map((item, index) => ({ item, index, bad: badness(item) }))
    .sort((a, b) => b.bad - a.bad || a.index - b.index)
    .slice(0, most)
    .map(({ item }) => item);
}
