// Drives a design's host port from C++ alone, one call of eval per clock edge: what a simulation costs at the least.
// Reads tasks from the file named first and writes result rows and cycle counts to the file named second.
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "Vbare.h"

static std::unique_ptr<Vbare> top(new Vbare);
static std::ifstream tasks;

static uint32_t number() {
    uint32_t value = 0;
    tasks.read(reinterpret_cast<char*>(&value), sizeof value);
    return value;
}

static void settle() {
    top->clk = 0;
    top->eval();
}

static void edge() {
    top->clk = 1;
    top->eval();
}

static void cycle() {
    settle();
    edge();
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    tasks.open(argv[1], std::ios::binary);
    std::ofstream results(argv[2], std::ios::binary);
    top->rst = 1;
    for (int i = 0; i < 4; ++i) cycle();
    top->rst = 0;
    for (uint32_t left = number(); left; --left) {
        for (uint32_t loads = number(); loads; --loads) {
            top->host_tensor = number();
            uint32_t address = number(), rows = number(), row_bytes = number();
            std::vector<char> data(size_t(rows) * row_bytes);
            tasks.read(data.data(), data.size());
            const size_t size = row_bytes < sizeof top->host_wdata ? row_bytes : sizeof top->host_wdata;
            top->host_we = 1;
            for (uint32_t i = 0; i < rows; ++i) {
                top->host_addr = address + i;
                std::memcpy(&top->host_wdata, &data[size_t(i) * row_bytes], size);
                cycle();
            }
            top->host_we = 0;
        }
        top->cfg_we = 1;
        for (uint32_t registers = number(); registers; --registers) {
            top->cfg_addr = number();
            top->cfg_data = number();
            cycle();
        }
        top->cfg_we = 0;
        top->start = 1;
        cycle();
        top->start = 0;
        while (!top->done) cycle();
        uint32_t cycles = top->cycles;
        results.write(reinterpret_cast<char*>(&cycles), sizeof cycles);
        top->host_tensor = number();
        uint32_t address = number(), rows = number(), row_bytes = number();
        std::vector<char> row(row_bytes);
        const size_t size = row_bytes < sizeof top->host_rdata ? row_bytes : sizeof top->host_rdata;
        for (uint32_t i = 0; i < rows + 2; ++i) {
            top->host_re = i < rows;
            top->host_addr = address + i;
            settle();
            if (i >= 2) {
                std::memcpy(row.data(), &top->host_rdata, size);
                results.write(row.data(), row_bytes);
            }
            edge();
        }
    }
    return 0;
}
