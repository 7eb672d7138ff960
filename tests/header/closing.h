
/* Zeroes a struct and sets its struct_size: PANSEAL_INIT(card). */
#define PANSEAL_INIT(record) panseal_struct_init(&(record), sizeof(record))

#ifdef __cplusplus
}
#endif
#endif /* PANSEAL_H */
