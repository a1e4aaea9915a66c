/// Low-rank adapters: [Adapters] says which projections have a [LoraAdapter]. They travel in a forward pass as data, so
/// the same frozen weights serve several roles.
package espalier.engine.adapt;
