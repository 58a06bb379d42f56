// Asking the detector while someone draws: one question at a time, and always about the latest.

import { score } from "../api.js";

/**
 * @param {object} what
 * @param {(told: import("../api.js").Score) => void} what.said
 * @param {(error: unknown) => void} what.refused
 * @param {AbortSignal} what.signal
 */
export function asking({ said, refused, signal }) {
  /** @type {{image: () => Promise<Blob>, map: boolean} | null} */
  let next = null;
  let busy = false;

  async function go() {
    busy = true;
    while (next && !signal.aborted) {
      const { image, map } = next;
      next = null;
      try {
        const told = await score(await image(), { map, signal });
        // Of what is drawn no more, only a stroke's earlier part is still worth showing.
        if (!signal.aborted && (next === null || !map)) said(told);
      } catch (error) {
        if (!signal.aborted && next === null) refused(error);
      }
    }
    busy = false;
  }

  return {
    /**
     * @param {() => Promise<Blob>} image
     * @param {boolean} map
     */
    ask(image, map) {
      next = { image, map };
      if (!busy) void go();
    },
  };
}
