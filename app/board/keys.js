/** The keys of the board: space, → and ←, Home and End, P. A field or a list that has the focus keeps its keys. */

const OWN = "input:not([type=range]), textarea, select, [contenteditable=true], [role=slider], [role=dialog], [role=combobox]";

/** @param {KeyboardEvent} event @param {any} board */
export function press(event, board) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !board.root.isConnected) return;
  if (target.closest?.(OWN)) return;
  const { timeline, transport, state } = board;
  const live = timeline.at === null;
  const going = state?.desired === "running" && state.status !== "finished";
  const keys = {
    " ": () => !target.closest?.("button, a, summary") && transport.main(),
    ArrowRight: () => (live && state?.status === "paused" ? transport.step(1) : timeline.move(1)),
    ArrowLeft: () => !(going && live) && timeline.move(-1),
    Home: () => timeline.first(),
    End: () => timeline.to(null),
    p: () => board.present(),
    P: () => board.present(),
    Escape: () => board.presented && board.present(false),
  };
  if (keys[key] && keys[key]() !== false) event.preventDefault();
}
