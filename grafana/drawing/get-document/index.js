/** The document of a node, or the page's own. */
module.exports = (node) => node?.ownerDocument ?? document;
