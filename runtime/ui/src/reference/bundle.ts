import 'swagger-ui-dist/swagger-ui.css';
import './reference.css';

/** Swagger UI with its styles: nearly all of the page's bytes, in a file of its own. */
export { default } from 'swagger-ui-dist/swagger-ui-es-bundle.js';
