/** Where the server is: beside its own pages; for a script that another site includes, where that came from. */
export const ORIGIN = new URL(document.currentScript?.src || location.href).origin;
